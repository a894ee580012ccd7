/** Random instructions, as text and as what the parser should make of it. */
import fc from 'fast-check';

/** `expected` is the typed instruction without ranges, keyword, source and comment; words are their text. */
export interface Generated {
  readonly text: string;
  readonly expected: object;
}

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_';
const stringOf = (characters: string, minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...characters.split('')), minLength, maxLength });

const name = stringOf(letters, 1, 8);
const stageName = fc
  .tuple(
    stringOf('abcxyzABC', 1, 2),
    fc.array(fc.tuple(fc.constantFrom('', '-', '_', '.', '__', '---'), stringOf('abcXYZ019', 1, 3)), { maxLength: 3 }),
  )
  .map(([first, rest]) => first + rest.flat().join(''));
/** What can stand between blanks in any list, and does not look like a flag, JSON or a heredoc. */
const word = fc
  .tuple(stringOf(`${letters}./$é"'`, 1, 1), stringOf(`${letters}./-:=*?${'$'}{}\\"'[],@`, 0, 12))
  .map((parts) => parts.join(''));
/** A command or name up to the end of the line. */
const sentence = fc
  .tuple(
    stringOf(`${letters}./$(`, 1, 1),
    stringOf(`${letters} \t./-:=&|;<>"'\`$(){}#*[]é`, 0, 30),
    stringOf(`${letters})`, 1, 1),
  )
  .map((parts) => parts.join(''))
  .filter((text) => !text.includes('<<'));
const jsonStrings = (minLength: number): fc.Arbitrary<string[]> =>
  fc.array(fc.string({ unit: 'binary' }), { minLength, maxLength: 4 });
const quotedValue = fc.oneof(
  stringOf(`${letters}./-:=$`, 0, 10),
  stringOf(`${letters} \t'=$#`, 0, 10).map((text) => `"${text}"`),
  stringOf(`${letters} \t"=\\`, 0, 10).map((text) => `'${text}'`),
  fc.tuple(name, name).map(([a, b]) => `${a}\\ ${b}\\"`),
);
const blanks = fc.constantFrom(' ', '  ', '\t', ' \t ');
const keyword = (text: string): fc.Arbitrary<string> =>
  fc.constantFrom(text, text.toLowerCase(), text.charAt(0) + text.slice(1).toLowerCase());

function instruction(keywords: string, args: fc.Arbitrary<Generated>): fc.Arbitrary<Generated> {
  return (
    fc
      .tuple(keyword(keywords), blanks, args)
      .map(([first, blank, rest]) => ({ ...rest, text: `${first}${blank}${rest.text}` }))
      // The next line would belong to it.
      .filter(({ text }) => !text.endsWith('\\'))
  );
}

const command = (minLength: number): fc.Arbitrary<{ readonly text: string; readonly command: object }> =>
  fc.oneof(
    sentence.map((text) => ({ text, command: { kind: 'shell', text, heredocs: [] } })),
    jsonStrings(minLength).map((args) => ({ text: JSON.stringify(args), command: { kind: 'exec', args } })),
  );

const list = (minLength: number): fc.Arbitrary<{ readonly text: string; readonly words: readonly string[] }> =>
  fc.oneof(
    fc
      .tuple(fc.array(word, { minLength, maxLength: 5 }), blanks)
      .map(([words, blank]) => ({ text: words.join(blank), words })),
    jsonStrings(minLength).map((words) => ({ text: JSON.stringify(words), words })),
  );

const copy = (kind: 'copy' | 'add'): fc.Arbitrary<Generated> =>
  fc
    .record({
      args: list(2),
      chown: fc.option(name, { nil: undefined }),
      chmod: fc.option(fc.constantFrom('755', 'u=rwX,go='), { nil: undefined }),
      link: fc.boolean(),
      exclude: fc.array(name, { maxLength: 2 }),
    })
    .map(({ args, chown, chmod, link, exclude }) => {
      const flags = [
        ...(chown === undefined ? [] : [`--chown=${chown}`]),
        ...(chmod === undefined ? [] : [`--chmod="${chmod}"`]),
        ...(link ? ['--link'] : ['--link=false']),
        ...exclude.map((pattern) => `--exclude=${pattern}`),
      ];
      return {
        text: [...flags, args.text].join(' '),
        expected: {
          kind,
          sources: args.words.slice(0, -1).map((text) => ({ kind: 'path', word: text })),
          destination: args.words.at(-1),
          ...(chown !== undefined && { chown }),
          ...(chmod !== undefined && { chmod }),
          link,
          parents: false,
          exclude,
        },
      };
    });

const pairs = (kind: 'env' | 'label'): fc.Arbitrary<Generated> =>
  fc.oneof(
    fc.array(fc.record({ key: name, value: quotedValue }), { minLength: 1, maxLength: 4 }).map((values) => ({
      text: values.map(({ key, value }) => `${key}=${value}`).join(' '),
      expected: { kind, pairs: values, legacy: false },
    })),
    fc.tuple(name, blanks, sentence).map(([key, blank, value]) => ({
      text: `${key}${blank}${value}`,
      expected: { kind, pairs: [{ key, value }], legacy: true },
    })),
  );

const run: fc.Arbitrary<Generated> = fc
  .record({
    body: command(1),
    network: fc.option(fc.constantFrom('none', 'host', 'default'), { nil: undefined }),
    targets: fc.array(name, { maxLength: 2 }),
  })
  .map(({ body, network, targets }) => ({
    text: [
      ...(network === undefined ? [] : [`--network=${network}`]),
      ...targets.map((target) => `--mount=type=cache,target=/${target},ro`),
      body.text,
    ].join(' '),
    expected: {
      kind: 'run',
      command: body.command,
      mounts: targets.map((target) => ({
        options: [{ key: 'type', value: 'cache' }, { key: 'target', value: `/${target}` }, { key: 'ro' }],
      })),
      ...(network !== undefined && { network: { value: network } }),
      devices: [],
    },
  }));

const simple = (kind: string, member: string): fc.Arbitrary<Generated> =>
  sentence.map((text) => ({ text, expected: { kind, [member]: text } }));

/** Instructions that are one line each, FROM left out. */
export const oneLine: fc.Arbitrary<Generated> = fc.oneof(
  instruction('RUN', run),
  instruction('COPY', copy('copy')),
  instruction('ADD', copy('add')),
  instruction('ENV', pairs('env')),
  instruction('LABEL', pairs('label')),
  instruction(
    'ARG',
    fc
      .array(fc.tuple(name, fc.option(quotedValue, { nil: undefined })), { minLength: 1, maxLength: 3 })
      .map((args) => ({
        text: args.map(([key, value]) => (value === undefined ? key : `${key}=${value}`)).join(' '),
        expected: {
          kind: 'arg',
          args: args.map(([key, value]) => ({ name: key, ...(value !== undefined && { defaultValue: value }) })),
        },
      })),
  ),
  instruction('WORKDIR', simple('workdir', 'path')),
  instruction('USER', simple('user', 'user')),
  instruction('STOPSIGNAL', simple('stopsignal', 'signal')),
  instruction('MAINTAINER', simple('maintainer', 'name')),
  ...(['cmd', 'entrypoint'] as const).map((kind) =>
    instruction(
      kind.toUpperCase(),
      command(0).map(({ text, command: form }) => ({ text, expected: { kind, command: form } })),
    ),
  ),
  instruction(
    'SHELL',
    jsonStrings(1).map((args) => ({ text: JSON.stringify(args), expected: { kind: 'shell', args } })),
  ),
  instruction(
    'EXPOSE',
    fc
      .array(word, { minLength: 1, maxLength: 4 })
      .map((ports) => ({ text: ports.join(' '), expected: { kind: 'expose', ports } })),
  ),
  instruction(
    'VOLUME',
    fc
      .array(word, { minLength: 1, maxLength: 4 })
      .map((paths) => ({ text: paths.join('  '), expected: { kind: 'volume', paths } })),
  ),
  instruction(
    'HEALTHCHECK',
    fc.oneof(
      fc.constant({ text: 'NONE', expected: { kind: 'healthcheck', check: { kind: 'none' } } }),
      fc.tuple(fc.integer({ min: 1, max: 1e6 }), command(1)).map(([ms, { text, command: form }]) => ({
        text: `--interval=${ms}ms CMD ${text}`,
        expected: { kind: 'healthcheck', check: { kind: 'cmd', command: form, intervalNs: ms * 1e6 } },
      })),
    ),
  ),
  instruction(
    'ONBUILD',
    instruction('RUN', run).map(({ text }) => ({ text, expected: { kind: 'onbuild', trigger: text } })),
  ),
);

export const from: fc.Arbitrary<Generated> = instruction(
  'FROM',
  fc.tuple(word, fc.option(stageName, { nil: undefined })).map(([image, stage]) => ({
    text: stage === undefined ? image : `${image} AS ${stage}`,
    expected: { kind: 'from', image, ...(stage !== undefined && { stageName: { value: stage }, asKeyword: 'AS' }) },
  })),
);

/** RUN with heredocs: several lines. */
export const heredocRun: fc.Arbitrary<Generated> = fc
  .array(
    fc.record({
      name,
      quoted: fc.boolean(),
      stripTabs: fc.boolean(),
      fileDescriptor: fc.constantFrom('', '3'),
      lines: fc.array(stringOf(`${letters} \\"'#$<\r`, 0, 8), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .filter((docs) => docs.every((doc) => !doc.lines.some((line) => line.replace(/\r+$/, '') === doc.name)))
  .map((docs) => {
    const markers = docs.map(
      (doc) => `${doc.fileDescriptor}<<${doc.stripTabs ? '-' : ''}${doc.quoted ? `"${doc.name}"` : doc.name}`,
    );
    const bodies = docs.map((doc) =>
      [...doc.lines.map((line) => (doc.stripTabs ? `\t${line}` : line)), doc.name].join('\n'),
    );
    const text = ['cat', ...markers].join(' ');
    return {
      text: [`RUN ${text}`, ...bodies].join('\n'),
      expected: {
        kind: 'run',
        command: {
          kind: 'shell',
          text,
          heredocs: docs.map((doc) => ({
            name: doc.name,
            expand: !doc.quoted,
            stripTabs: doc.stripTabs,
            fileDescriptor: doc.fileDescriptor,
            content: doc.lines.map((line) => `${line}\n`).join(''),
          })),
        },
        mounts: [],
        devices: [],
      },
    };
  });
