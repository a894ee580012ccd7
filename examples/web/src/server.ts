import { createServer } from 'node:http';
import { userInfo } from 'node:os';
import { greet } from './greet.js';

const port = Number(process.env['PORT'] ?? 8080);

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname === '/health') {
    response.end('ok\n');
    return;
  }
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(
    `${greet(url.searchParams.get('name') ?? 'world')}\nserved by ${userInfo().username}, pid ${process.pid}\n`,
  );
});

server.listen(port, () => console.log(`listening on port ${port}`));

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}
