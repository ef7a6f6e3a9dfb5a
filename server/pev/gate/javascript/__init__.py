"""What the gate knows of JavaScript and TypeScript, and the tools that it judges them with."""
