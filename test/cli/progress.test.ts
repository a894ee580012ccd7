import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { episodeRenderer } from '../../src/cli/progress/episodes.ts';
import { jsonRenderer } from '../../src/cli/progress/json.ts';
import { LogLines, printableText } from '../../src/cli/progress/log-lines.ts';
import { plainRenderer } from '../../src/cli/progress/plain.ts';
import { quietRenderer } from '../../src/cli/progress/quiet.ts';
import type { ProgressRenderer } from '../../src/cli/progress/renderer.ts';
import { ttyRenderer } from '../../src/cli/progress/tty.ts';
import { cut, textWidth } from '../../src/cli/progress/width.ts';
import { digestOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import type { ProgressEvent, VertexInfo } from '../../src/core/progress.ts';

const test = suite('progress');

const FROM: VertexInfo = { digest: digestOf('from'), name: '[1/2] FROM busybox' };
const RUN: VertexInfo = { digest: digestOf('run'), name: '[2/2] RUN make' };

function log(
  vertex: VertexInfo,
  timeMs: number,
  data: string | Uint8Array,
  stream: 'stdout' | 'stderr' = 'stdout',
): ProgressEvent {
  return { kind: 'log', vertex, timeMs, stream, data: Buffer.from(data) };
}

/** Everything that a renderer writes for `events`. */
function rendered(
  create: (output: { write(data: string | Uint8Array): void }) => ProgressRenderer,
  events: readonly ProgressEvent[],
): string {
  let text = '';
  const renderer = create({ write: (data) => void (text += Buffer.from(data).toString('utf8')) });
  for (const event of events) renderer.sink(event);
  renderer.finish();
  return text;
}

const EVENTS: readonly ProgressEvent[] = [
  { kind: 'cached', vertex: FROM, timeMs: 1000 },
  { kind: 'started', vertex: RUN, timeMs: 1010 },
  log(RUN, 1133, 'cc -c ma'),
  log(RUN, 1200, 'in.c\n\nlink'),
  log(RUN, 1250, 'warning\n', 'stderr'),
  { kind: 'completed', vertex: RUN, timeMs: 1310 },
];

test('plain: a line for each event, log lines with their time', () => {
  assert.is(
    rendered(plainRenderer, EVENTS),
    `#1 [1/2] FROM busybox
#1 CACHED

#2 [2/2] RUN make
#2 0.190 cc -c main.c
#2 0.190
#2 0.240 warning
#2 0.300 link
#2 DONE 0.3s
`,
  );
});

test('plain: parts steps that run at the same time by a blank line', () => {
  const events: readonly ProgressEvent[] = [
    { kind: 'started', vertex: FROM, timeMs: 0 },
    { kind: 'started', vertex: RUN, timeMs: 0 },
    log(FROM, 5, 'a\n'),
    log(FROM, 6, 'b\n'),
    log(RUN, 7, 'c\n'),
    { kind: 'cancelled', vertex: FROM, timeMs: 8 },
  ];
  assert.is(
    rendered(plainRenderer, events),
    '#1 [1/2] FROM busybox\n\n#2 [2/2] RUN make\n\n#1 0.005 a\n#1 0.006 b\n\n#2 0.007 c\n\n#1 CANCELED\n',
  );
});

test('plain: shows counters seldom, but their end always', () => {
  const status = (timeMs: number, currentBytes: number): ProgressEvent => ({
    kind: 'status',
    vertex: FROM,
    timeMs,
    id: 'sha256:abc',
    currentBytes,
    totalBytes: 2_000_000,
  });
  const events = [
    { kind: 'started', vertex: FROM, timeMs: 0 } as const,
    status(10, 0),
    status(20, 1000),
    status(6000, 1_500_000),
    status(6100, 2_000_000),
    status(6200, 2_000_000),
  ];
  assert.is(
    rendered(plainRenderer, events),
    '#1 [1/2] FROM busybox\n#1 sha256:abc 0B / 2MB 0.0s\n#1 sha256:abc 1.5MB / 2MB 6.0s\n#1 sha256:abc 2MB / 2MB 6.1s done\n',
  );
});

test('plain: ends with the last lines of what failed', () => {
  const error = new BuildError('run-failed', 'process "make" did not complete successfully: exit code: 2');
  const lines = Array.from({ length: 50 }, (_, index) => `line ${index}\n`).join('');
  const text = rendered(plainRenderer, [
    log(RUN, 0, lines),
    log(RUN, 1, 'no end'),
    { kind: 'failed', vertex: RUN, timeMs: 2, error },
  ]);
  const block = text.slice(text.indexOf('------'));
  assert.match(text, '#1 0.000 line 0\n');
  assert.match(text, '#1 0.002 no end\n#1 ERROR: process "make" did not complete successfully: exit code: 2\n------\n');
  assert.is(block.split('\n').length, 20 + 4);
  assert.ok(block.endsWith('0.000 line 49\n0.002 no end\n------\n'), block);
});

test('plain: does not lose what a step printed when nothing tells of its end', () => {
  assert.is(rendered(plainRenderer, [log(RUN, 5, 'half')]), '#1 [2/2] RUN make\n#1 0.000 half\n');
});

test('plain: keeps names and logs from acting on a terminal', () => {
  const evil = '\x1b[2J\x1b]0;title\x07red\x1b[31m!\x07\x08\x9b2Jx\u0085\n';
  const text = rendered(plainRenderer, [log({ digest: RUN.digest, name: `RUN echo "\x1b[2J\nx"` }, 0, evil)]);
  assert.is(text, '#1 RUN echo " x"\n#1 0.000 red!x\n');
});

test('quiet: says nothing unless a step fails', () => {
  assert.is(rendered(quietRenderer, EVENTS), '');
  const error = new BuildError('run-failed', 'x');
  assert.is(
    rendered(quietRenderer, [...EVENTS.slice(0, 5), { kind: 'failed', vertex: RUN, timeMs: 1400, error }]),
    '------\n > [2/2] RUN make:\n0.190 cc -c main.c\n0.190\n0.240 warning\n0.390 link\n------\n',
  );
});

test('rawjson: every event is a line that can be read back', () => {
  const error = new BuildError('run-failed', 'x');
  const events: readonly ProgressEvent[] = [
    ...EVENTS,
    { kind: 'failed', vertex: RUN, timeMs: 1, error },
    { kind: 'warning', message: 'w', timeMs: 2 },
  ];
  const lines = rendered(jsonRenderer, events)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(
    lines.map(({ kind }) => kind),
    events.map(({ kind }) => kind),
  );
  assert.equal(lines[2], {
    kind: 'log',
    vertex: { ...RUN },
    timeMs: 1133,
    stream: 'stdout',
    data: Buffer.from('cc -c ma').toString('base64'),
  });
  assert.equal(lines.at(-2)?.['error'], { code: 'run-failed', message: 'x' });
});

/** A terminal of the size, which the test asks for frames. */
function terminal(columns: number, rows: number) {
  let screen: string[] = [];
  let tick: (() => void) | undefined;
  let nowMs = 0;
  const write = (data: string | Uint8Array): void => {
    // Only the codes that the renderer uses; it never moves but at the start of what it writes.
    const text = Buffer.from(data).toString('utf8').replace('\x1b[?25l', '').replace('\x1b[?25h', '');
    const [move = '', ...rest] = text.includes('A\r') ? text.split('A\r') : ['', text];
    if (move !== '') screen = screen.slice(0, screen.length - Number(move.replace('\x1b[', '')));
    screen.push(...rest.join('A\r').replace('\x1b[0J', '').split('\n').slice(0, -1));
  };
  const renderer = ttyRenderer({
    output: { write, isTTY: true, columns, rows },
    color: false,
    now: () => nowMs,
    every: (callback) => {
      tick = callback;
      return () => void (tick = undefined);
    },
  });
  return {
    renderer,
    at: (timeMs: number) => {
      nowMs = timeMs;
      tick?.();
      return screen;
    },
    screen: () => screen,
    ticking: () => tick !== undefined,
  };
}

test('tty: redraws in place and ends with a summary', () => {
  const { renderer, at, screen, ticking } = terminal(40, 24);
  for (const event of EVENTS.slice(0, 5))
    renderer.sink({ ...event, timeMs: 'timeMs' in event ? event.timeMs - 1000 : 0 });
  assert.equal(at(510), [
    '[+] Building 0.5s (1/2)',
    ' => CACHED [1/2] FROM busybox      0.0s',
    ' => [2/2] RUN make                 0.5s',
    ' => => # cc -c main.c',
    ' => => # ',
    ' => => # warning',
  ]);
  renderer.sink({ kind: 'completed', vertex: RUN, timeMs: 700 });
  at(710);
  renderer.finish();
  assert.equal(screen(), [
    '[+] Building 0.7s (2/2) FINISHED',
    ' => CACHED [1/2] FROM busybox      0.0s',
    ' => [2/2] RUN make                 0.7s',
  ]);
  assert.not(ticking());
});

test('tty: keeps running steps in sight when the window is small, and no line too wide', () => {
  const { renderer, at } = terminal(30, 6);
  for (let index = 0; index < 20; index++) {
    renderer.sink({
      kind: 'cached',
      vertex: { digest: digestOf(String(index)), name: `step ${index} ${'語'.repeat(20)}` },
      timeMs: 0,
    });
  }
  renderer.sink({ kind: 'started', vertex: RUN, timeMs: 0 });
  renderer.sink(log(RUN, 1, `${'é'.repeat(100)}\n`));
  const screen = at(1000);
  assert.ok(screen.length < 6, screen.join('\n'));
  assert.match(screen.join('\n'), '[2/2] RUN make');
  for (const line of screen) assert.ok(textWidth(line) <= 30, line);
});

test('tty: says nothing for a build without steps', () => {
  const { renderer, screen } = terminal(80, 24);
  renderer.finish();
  assert.equal(screen(), []);
});

test('episodes: nothing is held back once no step is left', () => {
  const calls: string[] = [];
  const create = (): ProgressRenderer => {
    calls.push('create');
    return { sink: ({ kind }) => void calls.push(kind), finish: () => void calls.push('finish') };
  };
  const renderer = episodeRenderer(create);
  for (const event of EVENTS) renderer.sink(event);
  renderer.finish();
  const middle = ['started', 'log', 'log', 'log', 'completed'];
  assert.equal(calls, ['create', 'cached', 'finish', 'create', ...middle, 'finish']);
});

test('log lines: the same however the bytes are cut', () => {
  const text = fc
    .array(fc.constantFrom('a', 'é', '語', '😀', '\n', '\r\n', '\t', ' '), { maxLength: 40 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, fc.array(fc.nat(10), { minLength: 1, maxLength: 10 }), (content, sizes) => {
      const bytes = Buffer.from(content);
      const lines = new LogLines();
      const out: string[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = 1 + (sizes[turn % sizes.length] ?? 0);
        out.push(...lines.push(bytes.subarray(at, at + size)));
        at += size;
      }
      out.push(...lines.end());
      const expected = content.replaceAll('\r', '').split('\n');
      if (expected.at(-1) === '') expected.pop();
      if (content.endsWith('\r')) expected.push('');
      assert.equal(out.join('\n'), expected.join('\n'));
    }),
    { numRuns: 100 },
  );
});

test('log lines: a rewound line is kept, an endless one is cut, an escape is not', () => {
  const lines = new LogLines();
  assert.equal(lines.push(Buffer.from('10%\r20%\r100%\n')), ['10%', '20%', '100%']);
  assert.equal(lines.push(Buffer.from('\x1b[3')), []);
  assert.equal(lines.push(Buffer.from('1mred\n')), ['red']);
  const endless = lines.push(Buffer.alloc(200_000, 'x'));
  assert.equal(
    endless.map((line) => line.length),
    [65_536, 65_536, 65_536],
  );
  assert.is([...endless, ...lines.end()].join('').length, 200_000);
});

test('printable text has no control characters but tabs', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.not.match(printableText(text), /[^\P{Cc}\t]/u);
    }),
    { numRuns: 100 },
  );
});

test('width: wide and combining characters', () => {
  assert.equal(['abc', '語', 'é', '😀', ''].map(textWidth), [3, 2, 1, 2, 0]);
  assert.is(cut('語語語', 5), '語語');
  assert.is(cut('a\tb', 5), 'a b');
});

test.run();
