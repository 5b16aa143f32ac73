// A web app of Node alone: no dependency, so nothing is installed and npm is not needed.
'use strict';

const http = require('node:http');
const { version } = require('./package.json');

const address = process.env.BIND_ADDRESS || '127.0.0.1';
const port = Number(process.env.PORT || 8000);

const server = http.createServer((request, response) => {
	response.setHeader('Content-Type', 'text/plain; charset=utf-8');
	response.end(`hello from Node ${process.version}, version ${version}\n`);
});

server.listen(port, address, () => console.log(`version ${version} listens on ${address}:${port}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
