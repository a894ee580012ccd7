/** Where an image layout says what an image is called. */

/** Full name, as containerd and Docker write it. */
export const CONTAINERD_NAME = 'io.containerd.image.name';
/** By the specification whatever the writer likes; usually a tag, sometimes a full name. */
export const REF_NAME = 'org.opencontainers.image.ref.name';
