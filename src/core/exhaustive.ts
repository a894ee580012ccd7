/** Ends a switch over a union: adding a member then fails to compile wherever it matters. */
export function unreachable(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
