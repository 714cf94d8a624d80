/**
 * A hostile pod between the piper and another pod: it has a host key (its own, or the right one where it is a replica
 * that was broken into), and passes on what the piper says to it, hoping to be the piper there.
 */
import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SIDECAR_SOFTWARE } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { TransportSocket } from '../lib/ssh/transport/transport-socket.ts';
import { describeMessage } from './testing/messages.ts';
import { keys, startRig, type Rig } from './testing/rig.ts';

const RELAY = '127.0.0.9';

type Relay = {
  /** Messages of the piper that it could read, or pass on. */
  heard: string[];
};

/** Ends the piper's SSH connection with `hostKey`, makes one of its own to the pod, and passes every message on. */
async function startRelay(rig: Rig, hostKey: PrivateKey): Promise<Relay> {
  const relay: Relay = { heard: [] };
  const serve = (fromPiper: Socket): void => {
    const ready = Promise.withResolvers<void>();
    const toPod = new TransportSocket(connect({ host: '127.0.0.1', port: rig.podPort }), {
      role: 'client',
      software: SIDECAR_SOFTWARE,
      verifyHostKey: () => true,
      onReady: () => ready.resolve(),
      onMessage: (payload) => piper.transport.send(payload),
      onClose: () => piper.close(),
    });
    const piper = new TransportSocket(fromPiper, {
      role: 'server',
      software: SIDECAR_SOFTWARE,
      hostKeys: [hostKey],
      onReady: () => undefined,
      onMessage: (payload) => {
        relay.heard.push(describeMessage(payload));
        const copy = Buffer.from(payload);
        void ready.promise.then(() => toPod.transport.send(copy));
      },
      onClose: () => toPod.close(),
    });
    piper.transport.start();
    toPod.transport.start();
  };
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(rig.podPort, RELAY, resolve));
  onTestFinished(() => void server.close());
  return relay;
}

async function rigWithRelay(hostKey: PrivateKey) {
  const rig = await startRig({ addresses: [RELAY] });
  return { rig, relay: await startRelay(rig, hostKey) };
}

test('A11: with a host key of its own it hears nothing, not even the attempt to log in', async () => {
  const { rig, relay } = await rigWithRelay(PrivateKey.generateEd25519());
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow('host-key-mismatch');
  expect(relay.heard).toEqual([]);
  expect(rig.pod.authenticationAttempts).toBe(0);
});

test('A11: with the right host key it can pass the login on, but it was signed for another session', async () => {
  const { rig, relay } = await rigWithRelay(keys.pod);
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow('upstream-failed');
  expect(relay.heard).toHaveLength(2);
  // The pod knew the key; what it refused was the signature.
  expect(rig.pod.authenticationAttempts).toBe(1);
  expect(rig.pod.links.size).toBe(0);
});
