/** Docker's flags that are known but not supported, so that they are refused by name instead of being taken for a slip. */

/** `docker build` and `docker buildx build`. */
export const UNSUPPORTED_BUILD_FLAGS = words(`
  attest builder cache-from cache-to compress debug D disable-content-trust force-rm isolation metadata-file
  output o policy provenance push rm sbom security-opt source-policy squash
`);

/** `docker run`. */
export const UNSUPPORTED_RUN_FLAGS = words(`
  annotation attach a blkio-weight blkio-weight-device cap-add cap-drop cgroupns cidfile cpu-count
  cpu-percent cpu-rt-period cpu-rt-runtime detach d detach-keys device device-cgroup-rule device-read-bps
  device-read-iops device-write-bps device-write-iops disable-content-trust dns dns-opt dns-option dns-search
  domainname expose gpus group-add health-cmd health-interval health-retries health-start-interval
  health-start-period health-timeout ip ip6 ipc isolation kernel-memory label l label-file link
  link-local-ip log-driver log-opt mac-address mount network-alias no-healthcheck pid platform privileged
  read-only restart runtime security-opt shm-size sig-proxy stop-signal stop-timeout
  storage-opt sysctl tmpfs ulimit use-api-socket userns uts volume-driver volumes-from
`);

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
