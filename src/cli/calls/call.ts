/** Answers `build --check` and `build --call`. */
import { ExitStatus } from '../../core/errors.ts';
import type { BuildInspector, InspectOptions, InspectRequest } from '../../engine/types.ts';
import type { OutputStream } from '../types.ts';
import { checkJson, checkText } from './check.ts';
import { describeJson, describeText } from './describe.ts';
import { outlineJson, outlineText } from './outline.ts';
import type { BuildCall } from './parse-call.ts';
import { targetsJson, targetsText } from './targets.ts';

/** Prints what was asked for and resolves with the exit status: that of a failure where checks find anything, as in Docker. */
export async function runCall(
  call: BuildCall,
  inspector: BuildInspector,
  request: InspectRequest,
  options: InspectOptions,
  stdout: Pick<OutputStream, 'write'>,
): Promise<number> {
  switch (call.method) {
    case 'check': {
      const report = await inspector.check(request, options);
      stdout.write(call.json ? checkJson(report) : checkText(report));
      if (report.error !== undefined) throw report.error;
      return report.findings.length > 0 && !call.ignoreStatus ? ExitStatus.failure : ExitStatus.ok;
    }
    case 'outline': {
      const { file, outline } = await inspector.outline(request, options);
      stdout.write(call.json ? outlineJson(file, outline) : outlineText(outline));
      return ExitStatus.ok;
    }
    case 'targets': {
      const { file, targets } = await inspector.targets(request, options);
      stdout.write(call.json ? targetsJson(file, targets) : targetsText(targets));
      return ExitStatus.ok;
    }
    case 'subrequests.describe':
      stdout.write(call.json ? describeJson() : describeText());
      return ExitStatus.ok;
  }
}
