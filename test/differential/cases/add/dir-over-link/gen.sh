mkdir d; echo d>d/f; echo f>f; echo lf>lf; echo e>e; tar --format=gnu -cf t.tar d f lf e
