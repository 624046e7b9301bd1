// WebSocket by the package ws for Node, as in "server broadcast" of its README. Publishes are requests of the load.
const http = require('http');
const { WebSocketServer, WebSocket } = require('ws');

const [port, compression] = process.argv.slice(2);
const clients = new Map();
// The zlib options of its README, with a history for each client. The example there has no history, and sends messages
// below 1,024 B without compression.
const perMessageDeflate = compression === 'on' && {
  zlibDeflateOptions: { chunkSize: 1024, memLevel: 7, level: 3 },
};
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate });

const server = http.createServer({ noDelay: true }, (request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const payload = Buffer.concat(parts);
    for (const client of clients.get(request.url) ?? []) {
      if (client.readyState === WebSocket.OPEN) client.send(payload, { binary: false });
    }
    response.writeHead(200, { 'Content-Length': 2 }).end('{}');
  });
});
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (client) => {
    const topic = request.url;
    if (!clients.has(topic)) clients.set(topic, new Set());
    clients.get(topic).add(client);
    client.on('error', () => {});
    client.on('close', () => clients.get(topic).delete(client));
  });
});
Object.assign(server, { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 3600e3 });
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
