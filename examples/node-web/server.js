// A web app of Node alone.
'use strict';

const http = require('node:http');
const { version } = require('./package.json');

const host = process.env.BIND_ADDRESS || '127.0.0.1';
const port = Number(process.env.PORT || 8000);
let isStopping = false;

const server = http.createServer((request, response) => {
	if (isStopping)
		response.setHeader('Connection', 'close');
	response.setHeader('Content-Type', 'text/plain; charset=utf-8');
	response.end(request.url === '/up' ? 'up\n' : `Hello from Node, version ${version}\n`);
});

server.keepAliveTimeout = 75_000; // longer than nginx keeps an idle connection: it hangs up, not we
server.listen({ host, port, backlog: 1024 }, () => console.log(`version ${version} listens on http://${host}:${port}`));

// Finish the requests being answered, then end: replacing this app loses none.
process.on('SIGTERM', () => {
	isStopping = true;
	server.close(() => console.log('stopped'));
	server.closeIdleConnections();
});
