/** Published ports as Docker writes them. */
import type { ContainerSummary } from '../engine/types.ts';

type Port = ContainerSummary['ports'][number];

export function hostPort({ hostAddress, hostPort: port }: Port): string {
  return `${hostAddress}:${port}`;
}

export function containerPort({ containerPort: port, protocol }: Port): string {
  return `${port}/${protocol}`;
}
