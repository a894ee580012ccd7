/** The signals that STOPSIGNAL knows: Linux's names, with or without SIG, and numbers. */

const REAL_TIME: readonly string[] = [
  'RTMIN',
  ...Array.from({ length: 15 }, (_, i) => `RTMIN+${i + 1}`),
  ...Array.from({ length: 14 }, (_, i) => `RTMAX-${14 - i}`),
  'RTMAX',
];

const NAMES: ReadonlySet<string> = new Set([
  ...'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP'.split(
    ' ',
  ),
  ...'TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ'.split(' '),
  ...REAL_TIME,
]);

export const SIGNAL_NAMES: readonly string[] = [...NAMES].map((name) => `SIG${name}`);

/** The first number that 64 bits with a sign do not hold. */
const TOO_LARGE = 2n ** 63n;

/** Numbers are not looked up: only 0 is none, and what does not fit. */
export function isSignal(text: string): boolean {
  if (/^[-+]?\d+$/.test(text)) {
    const number = BigInt(text.replace('+', ''));
    return number !== 0n && number < TOO_LARGE && number >= -TOO_LARGE;
  }
  return NAMES.has(text.toUpperCase().replace(/^SIG/, ''));
}
