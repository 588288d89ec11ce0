"""The gateway: flows as models behind the interfaces of OpenAI and Anthropic."""
