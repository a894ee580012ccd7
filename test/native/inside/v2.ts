/** All that is tested in a machine with control groups of version 2 alone. */
import './cgroup-v2.ts';
import './delegated.ts';
import './oci-v2.ts';
