import * as assert from 'uvu/assert';
import { BuildError } from '../../src/core/errors.ts';
import type { ErrorCode } from '../../src/core/errors.ts';

/** Asserts that `action` rejects with a BuildError of `code`, whose message matches `pattern`; returns the error. */
export async function rejectsWith(
  code: ErrorCode,
  action: () => Promise<unknown>,
  pattern?: RegExp,
): Promise<BuildError> {
  try {
    await action();
  } catch (error) {
    return checked(code, error, pattern);
  }
  return assert.unreachable(`Expected a rejection with "${code}"`) as never;
}

/** The same for a function that throws. */
export function throwsWith(code: ErrorCode, action: () => unknown, pattern?: RegExp): BuildError {
  try {
    action();
  } catch (error) {
    return checked(code, error, pattern);
  }
  return assert.unreachable(`Expected an error "${code}"`) as never;
}

function checked(code: ErrorCode, error: unknown, pattern: RegExp | undefined): BuildError {
  if (!(error instanceof BuildError)) throw error;
  assert.is(error.code, code, error.message);
  if (pattern !== undefined) assert.match(error.message, pattern);
  return error;
}
