// age-encryption, one request at a time: a JSON document on standard input, another one on standard output.
// The first argument is the folder in which the package is installed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { webcrypto } from "node:crypto";

// Missing in Node 18, which Debian 12 has.
globalThis.crypto ??= webcrypto;

const folder = join(process.argv[2], "node_modules", "age-encryption", "dist", "index.js");
const age = await import(pathToFileURL(folder).href);
const request = JSON.parse(readFileSync(0, "utf8"));

async function encrypt() {
  const encrypter = new age.Encrypter();
  if (request.passphrase !== undefined) {
    encrypter.setPassphrase(request.passphrase);
    encrypter.setScryptWorkFactor(request.workFactor);
  }
  for (const recipient of request.recipients ?? []) encrypter.addRecipient(recipient);
  const file = await encrypter.encrypt(Buffer.from(request.data, "base64"));
  return request.armor ? Buffer.from(age.armor.encode(file)) : Buffer.from(file);
}

async function decrypt() {
  const decrypter = new age.Decrypter();
  if (request.passphrase !== undefined) decrypter.addPassphrase(request.passphrase);
  for (const identity of request.identities ?? []) decrypter.addIdentity(identity);
  const data = Buffer.from(request.data, "base64");
  return Buffer.from(await decrypter.decrypt(request.armor ? age.armor.decode(data.toString("ascii")) : new Uint8Array(data)));
}

async function keys() {
  const identity = request.hybrid ? await age.generateHybridIdentity() : await age.generateX25519Identity();
  return Buffer.from(JSON.stringify({ identity, recipient: await age.identityToRecipient(identity) }));
}

const answer = await { encrypt, decrypt, keys }[request.do]();
process.stdout.write(JSON.stringify({ data: answer.toString("base64") }));
