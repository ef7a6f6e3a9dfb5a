// Writes the events of Node's own test runner as JSON, one to a line. It is loaded by the runner, not by the
// processes that run the code under test.
const text = (error) => {
  const cause = error?.cause ?? error;
  const said = cause?.stack ?? cause?.message ?? cause;
  return String(said ?? "").slice(0, 4000);
};

export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type === "test:start") {
      yield `${JSON.stringify({ type: "start", name: data.name, nesting: data.nesting, file: data.file })}\n`;
    } else if (type === "test:pass" || type === "test:fail") {
      const row = {
        type: type === "test:pass" ? "pass" : "fail",
        name: data.name,
        nesting: data.nesting,
        file: data.file,
        line: data.line,
        suite: data.details?.type === "suite",
        kind: data.details?.error?.failureType,
        skip: data.skip !== undefined && data.skip !== false,
        todo: data.todo !== undefined && data.todo !== false,
        message: String(data.details?.error?.cause?.message ?? data.details?.error?.message ?? "").slice(0, 2000),
        text: type === "test:fail" ? text(data.details?.error) : "",
      };
      yield `${JSON.stringify(row)}\n`;
    }
  }
  yield `${JSON.stringify({ type: "end" })}\n`;
}
