/** `tsbuild runtime`: the native binary's commands of an OCI runtime. */
import { defineCommand } from '../types.ts';

export const runtime = defineCommand({
  name: 'runtime',
  operands: 'COMMAND [ARG...]',
  summary:
    'Start containers from OCI bundles: create, run, start, state, kill, delete, exec, pause, resume, update, events, list, ps, spec, features',
  options: {},
  arity: { min: 0, max: Infinity },
  passesArguments: true,
  run: (args, { deps }) => deps.nativeRuntime(args.operands),
});
