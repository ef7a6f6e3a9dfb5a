"""Conversations with a host's model, as the protocol writes them: messages, tools, and what came back."""

from collections.abc import Sequence

from mcp_types import (
    CreateMessageResult,
    CreateMessageResultWithTools,
    SamplingMessage,
    TextContent,
    Tool,
    ToolResultContent,
    ToolUseContent,
)

from pev.roles.asker import Message, Results, Said, Told, ToolCall, ToolSpec

Sampled = CreateMessageResult | CreateMessageResultWithTools


def sampling_messages(messages: Sequence[Message]) -> list[SamplingMessage]:
    """Write a conversation as the protocol does."""
    return [_message(one) for one in messages]


def _message(one: Message) -> SamplingMessage:
    if isinstance(one, Told):
        return SamplingMessage(role="user", content=TextContent(type="text", text=one.text))
    if isinstance(one, Results):
        results = [
            ToolResultContent(
                type="tool_result",
                tool_use_id=done.call,
                content=[TextContent(type="text", text=done.text)],
                is_error=done.failed,
            )
            for done in one.results
        ]
        return SamplingMessage(role="user", content=list(results))
    said: list[TextContent | ToolUseContent] = []
    said += [TextContent(type="text", text=one.text)] if one.text else []
    said += [
        ToolUseContent(type="tool_use", id=call.id, name=call.name, input=call.arguments)
        for call in one.calls
    ]
    return SamplingMessage(role="assistant", content=list(said))


def sampling_tools(tools: Sequence[ToolSpec]) -> list[Tool] | None:
    """Write the tools that a model may call; None if there are none."""
    return [
        Tool(name=one.name, description=one.description, input_schema=one.parameters) for one in tools
    ] or None


def said_by(result: Sampled) -> Said:
    """Give what a host's model said: its texts and its tool calls."""
    content = result.content if isinstance(result.content, list) else [result.content]
    texts = [one.text for one in content if isinstance(one, TextContent)]
    calls = [one for one in content if isinstance(one, ToolUseContent)]
    return Said(
        text="\n".join(texts),
        calls=tuple(ToolCall(id=one.id, name=one.name, arguments=one.input) for one in calls),
        model=result.model,
    )
