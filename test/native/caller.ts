/** Runs the container that a JSON file describes and exits like it: a process of its own for tests that kill or wrap the caller. */
import { readFileSync } from 'node:fs';
import { findRuntimeBinary } from '../../src/runtime-native/binary.ts';
import { createNativeRuntime } from '../../src/runtime-native/runtime.ts';
import type { ContainerSpec, ContainerStdio } from '../../src/runtime-native/types.ts';

const [file = '', kind] = process.argv.slice(2);
const spec = JSON.parse(readFileSync(file, 'utf8')) as ContainerSpec;
const stdio: ContainerStdio =
  kind === 'pipe'
    ? {
        kind: 'pipe',
        onStdout: (chunk) => void process.stdout.write(chunk),
        onStderr: (chunk) => void process.stderr.write(chunk),
      }
    : { kind: 'inherit', openStdin: kind === 'inherit-stdin' };
const runtime = createNativeRuntime({ binaryPath: findRuntimeBinary() });
const exit = await runtime.run(spec, { stdio });
await runtime.close();
process.exitCode = exit.code;
