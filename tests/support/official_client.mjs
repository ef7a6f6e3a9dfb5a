// Plays a whole run with the official TypeScript client, and says as JSON what it saw.
//
// One argument, JSON: {generation: 1 | 2, mode, url} or {..., command, args, cwd}; the environment is handed on.

const wanted = JSON.parse(process.argv[2]);
const shown = [];
const approve = async (request) => {
  shown.push(request.params.message);
  return { action: "accept", content: { decision: "approve", comment: "" } };
};
const info = { name: "official-client", version: "0" };
const abilities = { capabilities: { elicitation: {} } };

async function first() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { ElicitRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const http = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const client = new Client(info, abilities);
  client.setRequestHandler(ElicitRequestSchema, approve);
  await client.connect(transport(StdioClientTransport, http.StreamableHTTPClientTransport));
  const limit = { timeout: 120_000 };
  return [client, (name, given) => client.callTool({ name, arguments: given }, undefined, limit)];
}

async function second() {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const client = new Client(info, { ...abilities, versionNegotiation: { mode: wanted.mode } });
  client.setRequestHandler("elicitation/create", approve);
  await client.connect(transport(StdioClientTransport, StreamableHTTPClientTransport));
  return [client, (name, given) => client.callTool({ name, arguments: given }, { timeout: 120_000 })];
}

function transport(Stdio, Http) {
  const { url, command, args, cwd } = wanted;
  return url ? new Http(new URL(url)) : new Stdio({ command, args, cwd, env: process.env });
}

const [client, call] = await (wanted.generation === 1 ? first() : second());

async function done(name, given) {
  const result = await call(name, given);
  if (result.isError) throw new Error(`${name}: ${JSON.stringify(result.content)}`);
  return result.structuredContent;
}

const said = { shown };
said.version = client.getNegotiatedProtocolVersion?.() ?? "";
said.tools = (await client.listTools()).tools.map((one) => one.name);
said.prompts = (await client.listPrompts()).prompts.map((one) => one.name);
const drafted = await done("draft_plan", { task: "Add slugify" });
const run_id = drafted.run.run_id;
said.run_id = run_id;
said.refused = (await call("make_worktree", { run_id })).content[0].text;
said.approved = (await done("submit_plan", { run_id, plan: wanted.plan })).status;
await done("make_worktree", { run_id });
await done("write_file", { run_id, path: "src/app/slug.py", content: wanted.text });
said.gate = (await done("run_gate", { run_id })).status;
said.opened = await done("open_pr", { run_id });
said.trail = await done("verify_trail", {});
said.plan = (await client.readResource({ uri: `pev://runs/${run_id}/plan` })).contents[0].text;
await client.close();
console.log(JSON.stringify(said));
