/** Repositories for tests, handed out by HTTP through git's own CGI program, or as plain files. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../src/core/errors.ts';
import type { Answer } from './http-server.ts';

const ENV = {
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_AUTHOR_DATE: '1000000000 +0000',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.com',
  GIT_COMMITTER_DATE: '1000000000 +0000',
};

/** A repository with a working tree at `dir`. */
export class TestRepository {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true });
    this.git('init', '--quiet', '--initial-branch=main');
  }

  git(...args: string[]): string {
    return execFileSync('git', ['-C', this.dir, '-c', 'protocol.file.allow=always', ...args], {
      env: ENV,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  }

  /** Writes files, and commits all that there is; returns the commit. */
  commit(files: Readonly<Record<string, string>>): string {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.dir, name)), { recursive: true });
      writeFileSync(join(this.dir, name), text);
    }
    this.git('add', '--all');
    this.git('commit', '--quiet', '--allow-empty', '-m', 'x');
    return this.git('rev-parse', 'HEAD');
  }

  /** Commits a submodule at `path` without fetching it. */
  withSubmodule(path: string, url: string, commit: string): string {
    mkdirSync(join(this.dir, path), { recursive: true });
    this.git('update-index', '--add', '--cacheinfo', `160000,${commit},${path}`);
    return this.commit({ '.gitmodules': `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n` });
  }
}

/** Answers below a path ending in `.git/` for the repository at `dir`, as a git server does. */
export function smartGit(dir: string): Answer {
  return (request, response) => runBackend(dir, request, response);
}

function runBackend(dir: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://server');
  const child = spawn('git', ['-c', 'safe.directory=*', 'http-backend'], {
    env: {
      ...ENV,
      GIT_PROJECT_ROOT: join(dir, '.git'),
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname.replace(/^.*?\.git/, ''),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  request.pipe(child.stdin);
  child.stdin.on('error', () => undefined);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('close', () => {
    const all = Buffer.concat(chunks);
    const end = all.indexOf('\r\n\r\n');
    const headers = all
      .subarray(0, end)
      .toString('latin1')
      .split('\r\n')
      .map((line) => line.split(': ', 2) as [string, string]);
    const status = headers.find(([name]) => name === 'Status')?.[1] ?? '200';
    response.writeHead(Number.parseInt(status, 10), Object.fromEntries(headers.filter(([name]) => name !== 'Status')));
    response.end(all.subarray(end + 4));
  });
}

/** Answers with the files of the repository: all that git calls a dumb server. */
export function dumbGit(repository: TestRepository): Answer {
  repository.git('update-server-info');
  return (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://server');
    const path = join(repository.dir, '.git', pathname.replace(/^.*?\.git\//, ''));
    try {
      if (!statSync(path).isFile()) throw Object.assign(new Error('no file'), { code: 'ENOENT' });
      response.writeHead(200).end(readFileSync(path));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
      response.writeHead(404).end();
    }
  };
}
