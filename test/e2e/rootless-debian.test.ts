/** Packages of Debian, installed without root: apt fetches as a user of its own, and the package makes a user and gives it files. */
import { chmod } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { debianTar } from '../support/debian-base.ts';
import { EPOCH } from '../support/deterministic.ts';
import type { Files } from '../support/e2e.ts';
import { BIN, Lab } from '../support/e2e.ts';
import { OrdinaryUser, whyNoOrdinaryUser } from '../support/ordinary-user.ts';

const test = suite('packages without root');
const why = whyNoOrdinaryUser();
if (why !== undefined) process.stderr.write(`SKIPPED: packages without root: ${why}\n`);
function packages(name: string, body: () => Promise<void>): void {
  if (why === undefined) test(name, body);
  else test.skip(name);
}

const CONTROL = `Package: tiny
Version: 1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Depends: adduser
Description: a user and its directory
`;

const POSTINST = `#!/bin/sh
set -e
adduser --system --group --quiet --home /var/lib/tiny --no-create-home tiny
chown -R tiny:tiny /var/lib/tiny
chmod 2750 /var/lib/tiny
dpkg-statoverride --update --add tiny adm 0640 /etc/tiny.conf
`;

/** An archive on the image's own disk, which apt copies from as it would download. */
const ARCHIVE = `cd /src && dpkg-deb --root-owner-group --build tiny tiny_1_all.deb && {
  cat tiny/DEBIAN/control
  echo "Filename: ./tiny_1_all.deb"
  echo "Size: $(stat -c %s tiny_1_all.deb)"
  echo "SHA256: $(sha256sum tiny_1_all.deb | cut -d ' ' -f 1)"
} > Packages
echo "deb [trusted=yes] copy:/src ./" > list
`;

/** Away with what tells when or in which order it was written; then no time is later than that of the image. */
const TIDY = `rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/*
find / -xdev -newermt @1700000001 ! -path /dev ! -path /proc ! -path /sys ! -path /etc/hosts ! -path /etc/resolv.conf -exec touch -hd @1700000000 {} +
`;

const DOCKERFILE = `FROM debian
ARG SOURCE_DATE_EPOCH
ARG APT="apt-get -o Dir::Etc::sourcelist=/src/list -o Dir::Etc::sourceparts=/dev/null"
COPY src /src
RUN --network=none <<EOT
set -e
${ARCHIVE}
${TIDY}EOT
RUN --network=none <<EOT
set -e
$APT update
$APT install -y tiny
${TIDY}EOT
USER tiny
RUN echo mine > ~/file && touch -d @1700000000 ~/file ~
`;

const CONTEXT: Files = {
  'src/tiny/DEBIAN/control': CONTROL,
  'src/tiny/DEBIAN/postinst': { text: POSTINST, mode: 0o755 },
  'src/tiny/etc/tiny.conf': 'secret\n',
  'src/tiny/var/lib/tiny/data': 'data\n',
  Dockerfile: DOCKERFILE,
};

const IMPORT = async (): Promise<string[]> => ['import', '-c', 'CMD ["bash"]', await debianTar(), 'debian'];
const digestIn = (text: string): unknown => JSON.parse(text)[0].Descriptor.digest;

packages('with a range of ids: the digest is that of root', async () => {
  await using lab = await Lab.open({ empty: true });
  await chmod(lab.dir, 0o755);
  const dir = await lab.context('app', CONTEXT);
  const args = ['build', '--progress', 'plain', '-t', 'app', dir];
  await lab.ok(await IMPORT(), { env: EPOCH });
  await lab.ok(args, { env: EPOCH });

  await using user = await OrdinaryUser.open('a range');
  await user.ok(await IMPORT(), { env: EPOCH });
  const built = await user.ok(args, { env: EPOCH });
  // What apt says when it cannot become its own user.
  assert.match(built.stderr, /Setting up tiny/);
  assert.not.match(built.stderr, /unsandboxed|setgroups|seteuid/);
  const script =
    'id -un; stat -c "%U:%G %a %n" /var/lib/tiny /var/lib/tiny/* /etc/tiny.conf; dpkg-query -W -f \'${Status}\' tiny';
  assert.is(
    (await user.ok(['run', '--rm', '--network', 'none', '-u', '0', 'app', 'sh', '-c', script])).stdout,
    'root\ntiny:tiny 2750 /var/lib/tiny\ntiny:tiny 644 /var/lib/tiny/data\ntiny:tiny 644 /var/lib/tiny/file\ntiny:adm 640 /etc/tiny.conf\ninstall ok installed',
  );
  assert.is(digestIn((await user.ok(['inspect', 'app'])).stdout), digestIn((await lab.ok(['inspect', 'app'])).stdout));
  await user.isGone();
});

packages('with one id: apt cannot become its own user, and the hint is how it could', async () => {
  await using lab = await Lab.open({ empty: true });
  await chmod(lab.dir, 0o755);
  const dir = await lab.context('app', CONTEXT);
  await using user = await OrdinaryUser.open('one');
  await user.ok(await IMPORT(), { env: EPOCH });
  const failed = await user.run([BIN, 'build', '--progress', 'plain', dir], { env: EPOCH });
  assert.is(failed.code, 1);
  assert.match(failed.stderr, / E: seteuid 42 failed /);
  assert.match(failed.stderr, /\nhint: root is the only user here: .*\/etc\/subuid/);

  // As root it fetches; the package's own user stays impossible.
  const asRoot = [
    '--build-arg',
    'APT=apt-get -o APT::Sandbox::User=root -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist=/src/list',
  ];
  const chown = await user.run([BIN, 'build', '--progress', 'plain', ...asRoot, dir], { env: EPOCH });
  assert.is(chown.code, 1);
  assert.match(
    chown.stderr,
    / Setting up tiny[^]* chown: .* Invalid argument\n[^]*\nhint: root is the only user here: /,
  );
  await user.isGone();
});

test.run();
