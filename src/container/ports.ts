/** Ports of the host that are published: each is held by a socket, so that nobody else gets it and conflicts are told. */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { BuildError, errnoOf } from '../core/errors.ts';
import type { ContainerConfig } from '../oci/types.ts';
import type { PublishedPort } from '../runtime-native/types.ts';
import type { ContainerRequest, PortRequest } from './types.ts';

/** As in `-p`: all addresses of the host. */
export const ANY_ADDRESS = '0.0.0.0';

export interface ReservedPorts extends AsyncDisposable {
  readonly ports: readonly PublishedPort[];
}

/** What was asked for and, with `publishAll`, the other ports that the image exposes (`80`, `80/tcp`, `53/udp`). */
export function wantedPorts(
  { ports = [], publishAll = false }: Pick<ContainerRequest, 'ports' | 'publishAll'>,
  { ExposedPorts: exposed = {} }: Pick<ContainerConfig, 'ExposedPorts'>,
): readonly PortRequest[] {
  if (!publishAll) return ports;
  const further = Object.keys(exposed).flatMap((text): PortRequest[] => {
    const [number = '', protocol = 'tcp'] = text.split('/');
    const containerPort = Number(number);
    const isKnown = ports.some((port) => port.containerPort === containerPort && port.protocol === protocol);
    if (isKnown || (protocol !== 'tcp' && protocol !== 'udp')) return [];
    return [{ protocol, hostAddress: ANY_ADDRESS, containerPort }];
  });
  return [...ports, ...further];
}

/** All or none; disposing lets go of them. Throws `port-unavailable`. */
export async function reservePorts(wanted: readonly PortRequest[]): Promise<ReservedPorts> {
  await using stack = new Sockets();
  const ports: PublishedPort[] = [];
  for (const port of wanted) {
    try {
      ports.push({ ...port, hostPort: await stack.bind(port) });
    } catch (error) {
      throw unavailable(port, error);
    }
  }
  const kept = stack.move();
  return { ports, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
}

class Sockets implements AsyncDisposable {
  #sockets: (Server | Socket)[] = [];

  /** Resolves with the port. Nothing ever arrives: packets are sent on before they would. */
  bind({ protocol, hostAddress, hostPort = 0 }: PortRequest): Promise<number> {
    const socket = protocol === 'tcp' ? createServer((connection) => connection.destroy()) : createSocket('udp4');
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      const onBound = (): void => {
        this.#sockets.push(socket);
        const address = socket.address();
        if (address === null || typeof address === 'string') reject(new Error('a bound socket has no address'));
        else resolve(address.port);
      };
      if ('listen' in socket) socket.listen({ host: hostAddress, port: hostPort, exclusive: true }, onBound);
      else socket.bind({ address: hostAddress, port: hostPort, exclusive: true }, onBound);
    });
  }

  /** Leaves none here. */
  move(): Sockets {
    const moved = new Sockets();
    moved.#sockets = this.#sockets;
    this.#sockets = [];
    return moved;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }
}

function unavailable({ protocol, hostAddress, hostPort }: PortRequest, cause: unknown): BuildError {
  const code = errnoOf(cause);
  const port = `${hostAddress}:${hostPort ?? 0}/${protocol}`;
  if (code === 'EADDRINUSE') {
    return new BuildError('port-unavailable', `Cannot publish port "${port}": it is in use`, {
      hint: 'choose another port, or none to get one that is free',
      cause,
    });
  }
  if (code === 'EADDRNOTAVAIL')
    return new BuildError('port-unavailable', `Cannot publish port "${port}": the machine has no such address`, {
      cause,
    });
  return new BuildError('port-unavailable', `Cannot publish port "${port}": ${code ?? String(cause)}`, { cause });
}
