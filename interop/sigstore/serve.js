// A Sigstore on 127.0.0.1, of the project's own mocks: certificate authority, log of certificates, log of signatures.
// openssl stamps times for a second log, of the form of Rekor v2.
// node serve.js FOLDER writes config.json, config-v2.json (ClientTrustConfigs), token.jwt and url.txt there, and serves until it is
// killed.
'use strict';
const { execFileSync } = require('child_process');
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

// As above, of the second version; what the mock says of place and time, nobody signs there.
async function enteredSecond(log, body) {
  const { digest, signature } = JSON.parse(body).hashedRekordRequestV002;
  const data = { algorithm: 'SHA2_256', digest };
  const spec = { hashedRekordV002: { data, signature } };
  const entry = await log.logV2({ apiVersion: '0.0.2', kind: 'hashedrekord', spec });
  entry.kindVersion.kind = 'hashedrekord';
  delete entry.integratedTime;
  entry.logIndex = '0';
  entry.inclusionProof.logIndex = '0';
  entry.logId.keyId = entry.logId.keyId.toString('base64');
  entry.canonicalizedBody = entry.canonicalizedBody.toString('base64');
  entry.inclusionProof.rootHash = entry.inclusionProof.checkpoint.envelope.split('\n')[2];
  return { statusCode: 201, response: JSON.stringify(entry), contentType: 'application/json' };
}

// An authority for times, of openssl.
function stamping(folder) {
  const file = (name) => path.join(folder, name);
  const run = (...words) => execFileSync('openssl', words, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  fs.writeFileSync(
    file('tsa.cnf'),
    `[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[leaf]
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = stamps
[stamps]
serial = serial
signer_digest = sha256
digests = sha256
default_policy = 1.3.6.1.4.1.57264.2
ess_cert_id_alg = sha256
accuracy = secs:1
tsa_name = no
[req]
distinguished_name = name
[name]
`,
  );
  fs.writeFileSync(file('serial'), '01');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-config', 'tsa.cnf'];
  run('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca', '-extensions', 'ca');
  run('req', '-new', ...key.slice(0, 5), '-config', 'tsa.cnf', '-keyout', 'tsa.key', '-out', 'tsa.csr', '-subj', '/CN=tsa');
  const issue = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
  run('x509', '-req', '-in', 'tsa.csr', ...issue, '-extfile', 'tsa.cnf', '-extensions', 'leaf', '-out', 'tsa.pem');
  const certificates = ['tsa.pem', 'ca.pem'].map((name) => new crypto.X509Certificate(fs.readFileSync(file(name))).raw);
  const reply = (query) => {
    fs.writeFileSync(file('query.tsq'), query);
    const signer = ['-signer', 'tsa.pem', '-inkey', 'tsa.key'];
    const response = run('ts', '-reply', '-config', 'tsa.cnf', '-queryfile', 'query.tsq', ...signer);
    return { statusCode: 201, response, contentType: 'application/timestamp-reply' };
  };
  return { certificates, reply };
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

// A provider whose sign-in page shows the code at once. It keeps what the sign-in said within the code.
function signIn(url) {
  const asked = Object.fromEntries(new URL(url, 'http://127.0.0.1').searchParams);
  return Buffer.from(JSON.stringify(asked)).toString('base64url');
}

function redeemed(body) {
  const form = Object.fromEntries(new URLSearchParams(body.toString()));
  const asked = JSON.parse(Buffer.from(form.code, 'base64url').toString());
  const challenge = sha256(Buffer.from(form.code_verifier)).toString('base64url');
  const isRight =
    asked.response_type === 'code' &&
    asked.client_id === form.client_id &&
    asked.redirect_uri === form.redirect_uri &&
    asked.code_challenge_method === 'S256' &&
    asked.code_challenge === challenge;
  if (!isRight) return { statusCode: 400, response: 'invalid_grant' };
  const response = JSON.stringify({ id_token: token({ nonce: asked.nonce }) });
  return { statusCode: 200, response, contentType: 'application/json' };
}

function token(more) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: PROVIDER, aud: 'sigstore', sub: IDENTITY, nbf: now - 60, iat: now - 60, exp: now + 3600, ...more };
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${part('unsigned')}`;
}

function config(base, ca, log, certificateLog, stamps) {
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
  const at = (url, majorApiVersion) => [{ url, majorApiVersion, validFor: { start }, operator: 'mock' }];
  const authority = (certificates) => ({
    subject: { organization: 'mock', commonName: 'mock' },
    uri: base,
    certChain: { certificates: certificates.map((der) => ({ rawBytes: Buffer.from(der).toString('base64') })) },
    validFor: { start },
  });
  return {
    mediaType: 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json',
    trustedRoot: {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [instance(log)],
      certificateAuthorities: [authority([ca.rootCertificate])],
      ctlogs: [instance(certificateLog)],
      timestampAuthorities: stamps ? [authority(stamps.certificates)] : [],
    },
    signingConfig: {
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: at(base, 1),
      oidcUrls: at(base, 1),
      rekorTlogUrls: at(base, stamps ? 2 : 1),
      tsaUrls: stamps ? at(`${base}/stamp`, 1) : [],
      rekorTlogConfig: { selector: 'ANY' },
      tsaConfig: { selector: 'ANY' },
    },
  };
}

async function main(folder) {
  const [logKeys, authorityKeys, certificateLogKeys] = [keys(), keys(), keys()];
  const certificateLog = await initializeCTLog(certificateLogKeys);
  const ca = await initializeCA(authorityKeys, certificateLog);
  const stamps = stamping(folder);
  let routes = {};
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const route = routes[request.url.split('?')[0]];
      if (!route) return response.writeHead(404).end();
      const answer = await route(Buffer.concat(chunks), request.headers, request.url);
      response.writeHead(answer.statusCode, { 'content-type': answer.contentType || 'text/plain' });
      response.end(answer.response);
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const base = `http://127.0.0.1:${server.address().port}`;
  const log = await initializeTLog(base, logKeys);
  const [authority, rekor] = [fulcioHandler(ca), rekorHandler(log)];
  // model_signing asks the provider for these even if it has a token.
  const provider = JSON.stringify({ issuer: PROVIDER, authorization_endpoint: `${base}/auth`, token_endpoint: `${base}/token` });
  routes = {
    // A job of GitHub Actions asks here, as its environment says.
    '/job': async (_, headers, url) =>
      headers.authorization === 'Bearer secret' && new URL(url, base).searchParams.get('audience') === 'sigstore'
        ? { statusCode: 200, response: JSON.stringify({ value: token() }), contentType: 'application/json' }
        : { statusCode: 401, response: 'no' },
    '/auth': async (_, __, url) => ({ statusCode: 200, response: signIn(url) }),
    '/token': async (body) => redeemed(body),
    '/.well-known/openid-configuration': async () => ({
      statusCode: 200,
      response: provider,
      contentType: 'application/json',
    }),
    // A real one says 200, and sigstore-go insists on it.
    [authority.path]: async (body, headers) => ({ ...(await authority.fn(certified(body, headers))), statusCode: 200 }),
    [rekor.path]: (body) => rekor.fn(entered(body)),
    '/api/v2/log/entries': (body) => enteredSecond(log, body),
    '/stamp': async (query) => stamps.reply(query),
  };
  const write = (name, text) => fs.writeFileSync(path.join(folder, name), text);
  write('config.json', JSON.stringify(config(base, ca, logKeys, certificateLogKeys)));
  write('config-v2.json', JSON.stringify(config(base, ca, logKeys, certificateLogKeys, stamps)));
  write('token.jwt', token());
  // Last: who waits for it may begin.
  write('url.txt', base);
}

main(process.argv[2]);
