const port = process.env['PORT'] ?? '8080';

try {
  const response = await fetch(`http://127.0.0.1:${port}/health`);
  process.exitCode = response.ok ? 0 : 1;
} catch {
  process.exitCode = 1;
}
