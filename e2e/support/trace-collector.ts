import { type CollectedSpan, readTraces } from '../../lib/process/tracing/testing/collector.ts';
import { kubectl } from './kubectl.ts';
import { createWorkload } from './workload.ts';

const PORT = 4318;
const FILE = '/tmp/traces';

/** Of each request a line. */
const PROGRAM = `
import http.server
class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with open("${FILE}", "ab") as file:
            file.write(body + b"\\n")
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
http.server.HTTPServer(("", ${PORT}), Collector).serve_forever()
`;

/** A Deployment `collector` that takes traces and keeps them. @returns its endpoint, once it answers there */
export async function startTraceCollector(namespace: string): Promise<string> {
  const name = 'collector';
  const container = { readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1 } };
  await createWorkload({ namespace, name, script: `exec python3 -c '${PROGRAM}'`, container });
  await kubectl('expose', 'deployment', name, '-n', namespace, `--port=${PORT}`);
  await kubectl('rollout', 'status', `deployment/${name}`, '-n', namespace, '--timeout=120s');
  const address = await kubectl('get', 'service', name, '-n', namespace, '-o', 'jsonpath={.spec.clusterIP}');
  return `http://${address}:${PORT}`;
}

/** The spans of the trace in which that word is. */
export async function traceWith(namespace: string, word: string): Promise<CollectedSpan[]> {
  const batches = await kubectl('exec', '-n', namespace, 'deployment/collector', '--', 'grep', '-F', word, FILE);
  const spans = batches
    .trim()
    .split('\n')
    .flatMap((batch) => readTraces(batch).spans);
  const found = spans.find(({ attributes }) => Object.values(attributes).includes(word));
  return spans.filter(({ traceId }) => traceId === found?.traceId);
}
