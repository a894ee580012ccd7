import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cancelledBy } from '../../src/cli/report.ts';
import { asDiffID, digestOf } from '../../src/core/digest.ts';
import { BuildError } from '../../src/core/errors.ts';
import type { Engine, ImageInspection, ImageSummary, PruneRequest } from '../../src/engine/types.ts';
import type { CliOptions } from './harness.ts';
import { cli, IMAGE_ID } from './harness.ts';

const test = suite('commands');

const OTHER_ID = digestOf('other');

// main

test('prints the version and the help without an engine', async () => {
  const version = await cli(['--version']);
  assert.match(version.stdout, /^tsbuild version \S+\n$/);
  const help = await cli([]);
  assert.match(help.stdout, '\n  rmi ');
  assert.equal([version.status, help.status], [0, 0]);
  assert.equal([...version.engines, ...help.engines], []);
});

test('explains every command, and none of the help is wider than 100 columns', async () => {
  const names = [...(await cli(['help'])).stdout.matchAll(/^ {2}(\w+) /gm)].map((match) => match[1] ?? '');
  assert.is(names.length, 18);
  // What follows `runtime` is the OCI runtime's own, its help too.
  for (const name of names.filter((command) => command !== 'runtime')) {
    const run = await cli([name, '--help']);
    assert.is(run.status, 0);
    assert.match(run.stdout, `Usage: tsbuild ${name} [OPTIONS]`);
    assert.is(run.stdout, (await cli(['help', name])).stdout);
    for (const line of run.stdout.split('\n')) assert.ok(line.length <= 100, line);
  }
});

test('knows slips of the finger from paths', async () => {
  const run = await cli(['imgaes']);
  assert.is(run.status, 2);
  assert.is(
    run.stderr,
    `ERROR: Unknown command "imgaes"\nhint: did you mean "images"?\n\nRun 'tsbuild --help' for more information\n`,
  );
  assert.match((await cli(['help', 'xyzzy'])).stderr, 'Unknown command "xyzzy"');
});

test('finds the store by flag, environment and user', async () => {
  const root = async (argv: readonly string[], options: CliOptions = {}): Promise<unknown> => {
    const run = await cli(argv, { ...options, answers: { images: async () => [] } });
    assert.is(run.status, 0, run.stderr);
    return run.engines[0]?.root;
  };
  assert.is(await root(['images']), '/var/lib/tsbuild');
  assert.is(await root(['images'], { env: { TSBUILD_ROOT: 'here' } }), '/client/here');
  assert.is(await root(['--root', 'before', 'images'], { env: { TSBUILD_ROOT: 'here' } }), '/client/before');
  assert.is(await root(['--root=before', 'images', '--root', '/after']), '/after');
  assert.is(await root(['images'], { uid: 1000, env: { HOME: '/home/u' } }), '/home/u/.local/share/tsbuild');
  assert.is(await root(['images'], { uid: 1000, env: { HOME: '/home/u', XDG_DATA_HOME: '/data' } }), '/data/tsbuild');
  assert.is(
    await root(['images'], { uid: 1000, env: { HOME: '/home/u', XDG_DATA_HOME: 'relative' } }),
    '/home/u/.local/share/tsbuild',
  );
  assert.is((await cli(['images'], { uid: 1000 })).status, 2);
});

test('reports a bug with its stack and status 70, an error for the user without', async () => {
  const bug = await cli(['images'], {
    answers: {
      images: async () => {
        throw new TypeError('x is not a function');
      },
    },
  });
  assert.is(bug.status, 70);
  assert.is(bug.closed, 1);
  assert.match(
    bug.stderr,
    /^ERROR: tsbuild failed unexpectedly; this is a bug in tsbuild\nTypeError: x is not a function\n {4}at /,
  );
  const failure = await cli(['images'], {
    answers: {
      images: async () => {
        throw new BuildError('store-corrupt', 'Cannot read "x"', { hint: 'do y' });
      },
    },
  });
  assert.is(failure.status, 6);
  assert.is(failure.stderr, 'ERROR: Cannot read "x"\nhint: do y\n');
});

test('reports the first error when the clean-up after it fails too', async () => {
  const suppressed = Object.assign(new Error('An error was suppressed during disposal'), {
    name: 'SuppressedError',
    error: new Error('cannot clean up'),
    suppressed: new BuildError('store-full', 'Cannot write "x"'),
  });
  const run = await cli(['images'], { answers: { images: () => Promise.reject(suppressed) } });
  assert.equal([run.status, run.stderr], [6, 'ERROR: Cannot write "x"\n']);
});

for (const [signal, status, message] of [
  ['SIGINT', 130, 'ERROR: Cancelled by SIGINT\n'],
  ['SIGTERM', 143, 'ERROR: Cancelled by SIGTERM\n'],
  ['SIGHUP', 129, 'ERROR: Cancelled by SIGHUP\n'],
  ['SIGPIPE', 141, ''],
] as const) {
  test(`ends with ${status} after ${signal}`, async () => {
    const controller = new AbortController();
    const run = await cli(['save', 'a'], {
      signal: controller.signal,
      answers: {
        save: async (_names, _output, options) => {
          controller.abort(cancelledBy(signal));
          throw options.signal.reason;
        },
      },
    });
    assert.is(run.status, status);
    assert.is(run.stderr, message);
  });
}

// images

const IMAGES: readonly ImageSummary[] = [
  { repository: 'old/app', tag: '1.0', id: OTHER_ID, createdAt: '2024-01-01T00:00:00Z', sizeBytes: 999 },
  { repository: '<none>', tag: '<none>', id: IMAGE_ID, createdAt: undefined, sizeBytes: undefined },
  { repository: 'app', tag: 'latest', id: IMAGE_ID, createdAt: '2024-06-01T11:00:00Z', sizeBytes: 7_654_321 },
];
const images = (...argv: readonly string[]) =>
  cli(['images', ...argv], { answers: { images: async () => [...IMAGES] } });

test('lists images as Docker does, newest first', async () => {
  const [id, other] = [IMAGE_ID.slice(7, 19), OTHER_ID.slice(7, 19)];
  assert.is(
    (await images()).stdout,
    `REPOSITORY   TAG       IMAGE ID       CREATED             SIZE
app          latest    ${id}   About an hour ago   7.65MB
old/app      1.0       ${other}   5 months ago        999B
<none>       <none>    ${id}   N/A                 N/A
`,
  );
});

test('lists IDs, full IDs, JSON and only some images', async () => {
  assert.is((await images('-q')).stdout, `${[IMAGE_ID, OTHER_ID, IMAGE_ID].map((id) => id.slice(7, 19)).join('\n')}\n`);
  assert.is((await images('-q', '--no-trunc', 'app')).stdout, `${IMAGE_ID}\n`);
  assert.is((await images('-q', '*/*')).stdout, `${OTHER_ID.slice(7, 19)}\n`);
  assert.is((await images('-q', 'app:l?test')).stdout, `${IMAGE_ID.slice(7, 19)}\n`);
  assert.is((await images('-q', 'ap')).stdout, '');
  assert.equal(JSON.parse((await images('--format', 'json', 'app')).stdout), {
    CreatedAt: '2024-06-01 11:00:00 +0000 UTC',
    CreatedSince: 'About an hour ago',
    ID: IMAGE_ID.slice(7, 19),
    Repository: 'app',
    Size: '7.65MB',
    Tag: 'latest',
  });
  assert.is((await images('--format', '{{.ID}}')).status, 2);
});

test('shows the history with long steps cut', async () => {
  const history: Engine['history'] = async () => [
    {
      id: IMAGE_ID,
      sizeBytes: 1234,
      entry: { created: '2024-06-01T11:59:30Z', created_by: `RUN /bin/sh -c ${'x'.repeat(60)}`, comment: 'why' },
    },
    { id: '<missing>', sizeBytes: 0, entry: { created_by: 'CMD\t["sh"]' } },
  ];
  assert.is(
    (await cli(['history', 'app'], { answers: { history } })).stdout,
    `IMAGE          CREATED          CREATED BY                                      SIZE      COMMENT
${IMAGE_ID.slice(7, 19)}   30 seconds ago   RUN /bin/sh -c ${'x'.repeat(29)}…   1.23kB    why
<missing>      N/A              CMD ["sh"]                                      0B        
`,
  );
  assert.is(
    (await cli(['history', '-q', '--no-trunc', 'app'], { answers: { history } })).stdout,
    `${IMAGE_ID}\n<missing>\n`,
  );
});

test('inspects several images and says which are missing', async () => {
  const inspection: ImageInspection = {
    Id: IMAGE_ID,
    RepoTags: ['app:latest'],
    RepoDigests: [],
    Created: undefined,
    Author: '',
    Architecture: 'amd64',
    Os: 'linux',
    Size: 1,
    Config: {},
    RootFS: { Type: 'layers', Layers: [asDiffID(OTHER_ID)] },
    Descriptor: { mediaType: 'x', digest: OTHER_ID, size: 1 },
  };
  const inspect: Engine['inspect'] = async (name) => {
    if (name === 'app') return inspection;
    throw new BuildError('image-not-found', `Cannot find image "${name}"`);
  };
  const run = await cli(['inspect', 'gone', 'app'], { answers: { inspect } });
  assert.is(run.status, 1);
  assert.is(run.stderr, 'ERROR: Cannot find image "gone"\n');
  assert.equal(JSON.parse(run.stdout), [JSON.parse(JSON.stringify(inspection))]);
});

test('removes images one by one and forgives missing ones with -f', async () => {
  const calls: unknown[] = [];
  const removeImage: Engine['removeImage'] = async (name, force) => {
    calls.push([name, force]);
    if (name === 'gone') throw new BuildError('image-not-found', 'Cannot find image "gone"');
    return { untagged: [`${name}:latest`], deleted: [IMAGE_ID] };
  };
  const run = await cli(['rmi', 'gone', 'app'], { answers: { removeImage } });
  assert.is(run.status, 1);
  assert.is(run.stdout, `Untagged: app:latest\nDeleted: ${IMAGE_ID}\n`);
  const forced = await cli(['rmi', '-f', 'gone'], { answers: { removeImage } });
  assert.is(forced.status, 0);
  assert.match(forced.stderr, 'Cannot find image "gone"');
  assert.equal(calls, [
    ['gone', false],
    ['app', false],
    ['gone', true],
  ]);
});

test('tags, saves, loads, imports and pulls', async () => {
  const calls: unknown[] = [];
  const answers: CliOptions['answers'] = {
    tag: async (source, target) => void calls.push(['tag', source, target]),
    save: async (names, output) => void calls.push(['save', names, output]),
    load: async (input) => {
      calls.push(['load', input.kind === 'path' ? input.path : 'stdin']);
      return ['app:latest', IMAGE_ID];
    },
    import: async (input, name, changes, { message, platform }) => {
      calls.push(['import', input.kind === 'path' ? input.path : 'stdin', name, changes, message, platform]);
      return IMAGE_ID;
    },
    pull: async (name, platform) => {
      calls.push(['pull', name, platform]);
      return { name: `docker.io/library/${name}:latest`, digest: OTHER_ID, upToDate: name === 'b' };
    },
  };
  const output = async (...argv: readonly string[]): Promise<string> => {
    const run = await cli(argv, { answers });
    assert.is(run.status, 0, run.stderr);
    return run.stdout;
  };
  assert.is(await output('tag', 'a', 'b'), '');
  assert.is(await output('save', '-o', 'x.tar', 'a', 'b'), '');
  assert.is(await output('save', 'a'), '');
  assert.is(await output('load', '-i', 'x.tar'), `Loaded image: app:latest\nLoaded image ID: ${IMAGE_ID}\n`);
  assert.is(await output('load', '-q'), `Loaded image: app:latest\nLoaded image ID: ${IMAGE_ID}\n`);
  assert.is(
    await output('import', '-c', 'CMD ["sh"]', '-m', 'why', '--platform', 'linux/arm64', '-', 'base:1'),
    `${IMAGE_ID}\n`,
  );
  assert.is(await output('import', 'rootfs.tar'), `${IMAGE_ID}\n`);
  assert.is(
    await output('pull', 'a'),
    `Using default tag: latest\nDigest: ${OTHER_ID}\nStatus: Downloaded newer image for a:latest\ndocker.io/library/a:latest\n`,
  );
  assert.match(await output('pull', 'b'), 'Status: Image is up to date for b:latest\n');
  assert.is(await output('pull', '-q', '--platform', 'linux/arm64', 'a'), 'docker.io/library/a:latest\n');
  assert.equal(calls, [
    ['tag', 'a', 'b'],
    ['save', ['a', 'b'], { kind: 'file', path: '/client/x.tar' }],
    ['save', ['a'], { kind: 'stdout' }],
    ['load', '/client/x.tar'],
    ['load', 'stdin'],
    ['import', 'stdin', 'base:1', ['CMD ["sh"]'], 'why', 'linux/arm64'],
    ['import', '/client/rootfs.tar', undefined, [], undefined, undefined],
    ['pull', 'a', undefined],
    ['pull', 'b', undefined],
    ['pull', 'a', 'linux/arm64'],
  ]);
});

test('does not write archives to terminals, nor read them from there', async () => {
  for (const argv of [['save', 'a'], ['load']]) assert.is((await cli(argv, { terminal: true })).status, 2);
});

test('asks before it prunes', async () => {
  const requests: PruneRequest[] = [];
  const answers: CliOptions['answers'] = {
    prune: async (request) => {
      requests.push(request);
      return { removedImages: ['deleted: x'], removedContainers: ['c'], removedRecords: 2, reclaimedBytes: 1_234_567 };
    },
  };
  const no = await cli(['prune'], { answers, stdin: 'n\n' });
  assert.is(no.status, 1);
  assert.match(
    no.stdout,
    'WARNING! This will remove:\n  - all stopped containers\n  - all dangling images\n  - unused build cache\n\nAre you sure you want to continue? [y/N] ',
  );
  assert.is((await cli(['prune'], { answers })).status, 1);
  assert.equal(requests, []);
  const yes = await cli(['prune', '-a'], { answers, stdin: 'y\nrest' });
  assert.match(yes.stdout, 'all images without at least one container associated to them\n  - all build cache\n');
  const forced = await cli(['prune', '-f'], { answers });
  assert.is(
    forced.stdout,
    'Deleted Containers:\nc\n\nDeleted Images:\ndeleted: x\n\nDeleted build cache records: 2\n\nTotal reclaimed space: 1.235MB\n',
  );
  assert.equal(requests, [{ all: true }, { all: false }]);
});

test.run();
