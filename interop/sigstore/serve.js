// A Sigstore on 127.0.0.1, of the project's own mocks: certificate authority, log of certificates, log of signatures.
// node serve.js FOLDER writes config.json (a ClientTrustConfig), token.jwt and url.txt there, and serves until it is killed.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');
const { initializeCA, initializeCTLog, initializeTLog, fulcioHandler, rekorHandler } = require('@sigstore/mock');

const IDENTITY = 'https://ci.example.test/job';
const PROVIDER = 'https://issuer.example.test';
const keys = () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest();

// Rekor enters hashes of an envelope; the mock would enter the proposal as it came.
function entered(body) {
  const proposal = JSON.parse(body);
  const { envelope, verifiers } = proposal.spec.proposedContent;
  const { payload, signatures } = JSON.parse(envelope);
  const hash = (bytes) => ({ algorithm: 'sha256', value: sha256(bytes).toString('hex') });
  return JSON.stringify({
    apiVersion: proposal.apiVersion,
    kind: proposal.kind,
    spec: {
      envelopeHash: hash(Buffer.from(envelope)),
      payloadHash: hash(Buffer.from(payload, 'base64')),
      signatures: signatures.map(({ sig }) => ({ signature: sig, verifier: verifiers[0] })),
    },
  });
}

// sigstore-python sends its token as a header, and not in the body.
function certified(body, headers) {
  const request = JSON.parse(body);
  const bearer = /^Bearer (.*)$/.exec(headers.authorization || '');
  request.credentials ||= { oidcIdentityToken: bearer && bearer[1] };
  if (request.certificateSigningRequest)
    request.certificateSigningRequest = Buffer.from(request.certificateSigningRequest, 'base64').toString();
  return JSON.stringify(request);
}

function token() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: PROVIDER, aud: 'sigstore', sub: IDENTITY, nbf: now - 60, iat: now - 60, exp: now + 3600 };
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${part('unsigned')}`;
}

function config(base, ca, log, certificateLog) {
  const start = new Date(Date.now() - 86400000).toISOString();
  const instance = ({ publicKey }) => {
    const der = publicKey.export({ format: 'der', type: 'spki' });
    return {
      baseUrl: base,
      hashAlgorithm: 'SHA2_256',
      publicKey: { rawBytes: der.toString('base64'), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor: { start } },
      logId: { keyId: sha256(der).toString('base64') },
    };
  };
  const service = [{ url: base, majorApiVersion: 1, validFor: { start }, operator: 'mock' }];
  return {
    mediaType: 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json',
    trustedRoot: {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [instance(log)],
      certificateAuthorities: [
        {
          subject: { organization: 'mock', commonName: 'mock' },
          uri: base,
          certChain: { certificates: [{ rawBytes: ca.rootCertificate.toString('base64') }] },
          validFor: { start },
        },
      ],
      ctlogs: [instance(certificateLog)],
      timestampAuthorities: [],
    },
    signingConfig: {
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: service,
      oidcUrls: service,
      rekorTlogUrls: service,
      tsaUrls: [],
      rekorTlogConfig: { selector: 'ANY' },
      tsaConfig: { selector: 'ANY' },
    },
  };
}

async function main(folder) {
  const [logKeys, authorityKeys, certificateLogKeys] = [keys(), keys(), keys()];
  const certificateLog = await initializeCTLog(certificateLogKeys);
  const ca = await initializeCA(authorityKeys, certificateLog);
  let routes = {};
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const route = routes[request.url];
      if (!route) return response.writeHead(404).end();
      const answer = await route(Buffer.concat(chunks).toString(), request.headers);
      response.writeHead(answer.statusCode, { 'content-type': answer.contentType || 'text/plain' });
      response.end(answer.response);
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const base = `http://127.0.0.1:${server.address().port}`;
  const log = await initializeTLog(base, logKeys);
  const [authority, rekor] = [fulcioHandler(ca), rekorHandler(log)];
  routes = {
    [authority.path]: (body, headers) => authority.fn(certified(body, headers)),
    [rekor.path]: (body) => rekor.fn(entered(body)),
  };
  const write = (name, text) => fs.writeFileSync(path.join(folder, name), text);
  write('config.json', JSON.stringify(config(base, ca, logKeys, certificateLogKeys)));
  write('token.jwt', token());
  // Last: who waits for it may begin.
  write('url.txt', base);
}

main(process.argv[2]);
