/** Answers `build --check` and `build --call`. */
import { ExitStatus } from '../../core/errors.ts';
import type { InspectOptions, InspectRequest } from '../../engine/call.ts';
import type { OutputStream } from '../types.ts';
import { checkJson, checkText } from './check.ts';
import { outlineJson, outlineText } from './outline.ts';
import type { BuildCall } from './parse-call.ts';
import { targetsJson, targetsText } from './targets.ts';

/** Prints what was asked for and resolves with the exit status: that of a failure where checks find anything, as in Docker. */
export async function runCall(
  call: BuildCall,
  request: InspectRequest,
  options: InspectOptions,
  stdout: Pick<OutputStream, 'write'>,
): Promise<number> {
  const { checkBuild, listBuildTargets, outlineBuild } = await import('../../engine/call.ts');
  switch (call.method) {
    case 'check': {
      const report = await checkBuild(request, options);
      stdout.write(call.json ? checkJson(report) : checkText(report));
      if (report.error !== undefined) throw report.error;
      return report.findings.length > 0 && !call.ignoreStatus ? ExitStatus.failure : ExitStatus.ok;
    }
    case 'outline': {
      const { file, outline } = await outlineBuild(request, options);
      stdout.write(call.json ? outlineJson(file, outline) : outlineText(outline));
      return ExitStatus.ok;
    }
    case 'targets': {
      const { file, targets } = await listBuildTargets(request, options);
      stdout.write(call.json ? targetsJson(file, targets) : targetsText(targets));
      return ExitStatus.ok;
    }
  }
}
