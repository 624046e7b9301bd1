// WebSocket by Bun.serve, whose publish sends to all clients. Publishes are requests of the load.
const [port, compression] = process.argv.slice(2);
const isCompressed = compression === 'on';
Bun.serve({
  port: Number(port),
  hostname: '127.0.0.1',
  idleTimeout: 0,
  development: false,
  async fetch(request, server) {
    const topic = request.url.slice(request.url.indexOf('/', 8));
    if (request.method === 'POST') {
      server.publish(topic, await request.text(), isCompressed);
      return new Response('{}');
    }
    if (!server.upgrade(request, { data: topic })) return new Response('no upgrade', { status: 400 });
  },
  websocket: {
    perMessageDeflate: isCompressed,
    idleTimeout: 0,
    // Beyond the limit Bun drops messages without notice.
    backpressureLimit: 64 * 1024 * 1024,
    open: (client) => client.subscribe(client.data),
    message() {},
  },
});
