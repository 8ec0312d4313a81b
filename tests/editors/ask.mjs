// Asks Taplo's language server, the one in the editors, about a file.
//
// In: {"file": path, "text": what is in it, "ask": [{"method": …, "line": …, "character": …}]}
// Out: a list with the answer to each.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import lsp from "@taplo/lsp";

// Schemas come from beside the file and from nowhere else.
globalThis.fetch = () => Promise.reject(new Error("offline"));

const { file, text, ask } = JSON.parse(fs.readFileSync(0, "utf8"));
const uri = pathToFileURL(file).href;

const answers = new Map();
const server = await lsp.TaploLsp.initialize(
  {
    now: () => new Date(),
    envVar: () => undefined,
    envVars: () => [],
    stdErrAtty: () => false,
    stdin: process.stdin,
    stdout: process.stderr,
    stderr: process.stderr,
    glob: () => [],
    readFile: (name) => fs.promises.readFile(name),
    writeFile: () => Promise.reject(new Error("nothing is written")),
    urlToFilePath: (url) => fileURLToPath(url),
    isAbsolute: path.isAbsolute,
    cwd: () => path.dirname(file),
    findConfigFile: () => undefined,
  },
  { onMessage: receive },
);

function receive(message) {
  if (message.method === undefined) {
    answers.get(message.id)?.(message.result);
  } else if (message.id !== undefined) {
    // The server asks for settings: there are none.
    const result = (message.params?.items ?? []).map(() => null);
    server.send({ jsonrpc: "2.0", id: message.id, result });
  }
}

let last = 0;
function request(method, params) {
  const id = ++last;
  const answer = new Promise((resolve) => answers.set(id, resolve));
  server.send({ jsonrpc: "2.0", id, method, params });
  return answer;
}

const folder = { uri: pathToFileURL(path.dirname(file)).href, name: "specs" };
await request("initialize", {
  processId: null,
  rootUri: folder.uri,
  workspaceFolders: [folder],
  capabilities: {},
});
server.send({ jsonrpc: "2.0", method: "initialized", params: {} });
const textDocument = { uri, languageId: "toml", version: 1, text };
server.send({ jsonrpc: "2.0", method: "textDocument/didOpen", params: { textDocument } });

const found = [];
for (const { method, line, character } of ask) {
  const position = { line, character };
  found.push(await request(`textDocument/${method}`, { textDocument: { uri }, position }));
}
process.stdout.write(JSON.stringify(found), () => process.exit(0));
