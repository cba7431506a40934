"""Generate a codec by walking the construct grammar of a message.

The grammar is the only input: the construct objects, their subcons and attributes say what the bytes look like, and
nothing here reads a message's declaration. Each node of the grammar becomes a few lines of Python; the lines are
compiled once for each message, version and direction, and then serve every request.

Why the code is generated. construct interprets its objects: every field costs a method call, a container and an error
path, and a Fetch request takes 470-925 microseconds to parse, 30 times what the generated code takes. A broker parses
every request, so that would be most of its work.

Why not `construct.compile()`. Its documentation warns against using it on untrusted data: it leaves out checks (it
accepts a negative array count, for one) and knows nothing of our own constructs, nor of the limits of a request.

Why there are generators too. Decoding a request with the most elements that it may have, or encoding metadata of ten
thousand partitions, takes tens of milliseconds, during which a broker could serve nobody else. The same code with
pauses in its loops over arrays can be run a step at a time.

What is checked where. The generated decoder checks every length and count against the bytes that remain before it
slices or allocates, null where it is not allowed, the order, number and size of tags, UTF-8, and the element budget of
a request. The generated encoder checks that values fit, that lengths are within their limits, and that no value is
lost that the version has no field for. Errors name the message, version and field. construct's own parse and build
of the same grammar are the reference: the tests require the same value, the same bytes or a refusal by both, for every
message and version, and for truncated and mutated bodies.
"""

from higgins_protocol.compiler.decoder import Decode, DecodeInSteps, compile_decoder, compile_decoder_in_steps
from higgins_protocol.compiler.encoder import Encode, EncodeInSteps, compile_encoder, compile_encoder_in_steps

__all__ = [
    "Decode",
    "DecodeInSteps",
    "Encode",
    "EncodeInSteps",
    "compile_decoder",
    "compile_decoder_in_steps",
    "compile_encoder",
    "compile_encoder_in_steps",
]
