/** `tsbuild port`. */
import { BuildError, ExitStatus } from '../../core/errors.ts';
import { containerPort, hostPort } from '../ports.ts';
import { defineCommand } from '../types.ts';

export const port = defineCommand({
  name: 'port',
  operands: 'CONTAINER [PORT[/PROTOCOL]]',
  summary: 'Show the published ports of a container',
  options: {},
  unsupported: [],
  arity: { min: 1, max: 2 },
  async run(args, { deps, withEngine }) {
    const [name = '', wanted] = args.operands;
    const ports = await withEngine((engine) => engine.containerPorts(name));
    if (wanted === undefined) {
      deps.stdout.write(ports.map((item) => `${containerPort(item)} -> ${hostPort(item)}\n`).join(''));
      return ExitStatus.ok;
    }
    const full = wanted.includes('/') ? wanted : `${wanted}/tcp`;
    const found = ports.filter((item) => containerPort(item) === full);
    if (found.length === 0)
      throw new BuildError('port-not-published', `Cannot find a published port "${full}" of container "${name}"`);
    deps.stdout.write(found.map((item) => `${hostPort(item)}\n`).join(''));
    return ExitStatus.ok;
  },
});
