// The servers' configuration: the proof of identity that each connection of a fleet needs.
import { describe, expect, it } from 'vitest';
import { serverConfig } from './server-config.js';

const servers = [1, 2, 3].map((at) => ({ name: `fleet-${at}`, address: `10.0.0.${at}` }));
const tls = { cert: '/tls/cert.pem', key: '/tls/key.pem', ca: '/tls/ca.pem' };

describe('the configuration of a server', () => {
  it('with TLS asks clients for it, and other servers for a certificate as well', () => {
    const lines = serverConfig({ servers, port: 4222, routePort: 6222, tls }, 1).split('\n');
    const files = 'cert_file: "/tls/cert.pem", key_file: "/tls/key.pem", ca_file: "/tls/ca.pem"';
    expect(lines).toContain(`tls { ${files} }`);
    expect(lines).toContain(
      'cluster { name: fleet, listen: "10.0.0.2:6222", routes: ["nats://10.0.0.1:6222", "nats://10.0.0.3:6222"], ' +
        `tls { ${files}, verify: true } }`,
    );
  });

  it('without TLS, on loopback, has none, and one server has no cluster', () => {
    expect(serverConfig({ servers, port: 4222, routePort: 6222, tls: null }, 0)).not.toContain('tls');
    expect(serverConfig({ servers: servers.slice(0, 1), port: 4222, routePort: 6222, tls }, 0)).not.toContain('cluster');
  });
});
