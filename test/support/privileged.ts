/** Tests that start containers or write files of other owners need root; elsewhere they are skipped aloud. */
import type { Test } from 'uvu';

/** The suite itself as root; otherwise one whose tests are all skipped. */
export function privileged<T>(tests: Test<T>): Test<T> {
  if (process.getuid?.() === 0) return tests;
  console.error('skipped: these tests need root');
  return Object.assign((...args: Parameters<Test<T>>) => tests.skip(...args), tests);
}
