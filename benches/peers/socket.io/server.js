// socket.io with a room for each topic, as in "Rooms" of its documentation. Publishes are requests of the load.
const http = require('http');
const { Server } = require('socket.io');

const server = http.createServer((request, response) => {
  // socket.io answers its own requests.
  if (request.url.startsWith('/socket.io/')) return;
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    io.to(request.url).emit('notification', Buffer.concat(parts).toString());
    response.writeHead(200, { 'Content-Length': 2 }).end('{}');
  });
});
const io = new Server(server, { transports: ['websocket'], serveClient: false });
// As in "Memory usage" of its documentation.
io.engine.on('connection', (socket) => {
  socket.request = null;
});
io.on('connection', (socket) => socket.join(socket.handshake.auth.topic));
Object.assign(server, { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 3600e3 });
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
