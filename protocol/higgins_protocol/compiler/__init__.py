"""Turn a message's declaration into a flat codec for one version: source is emitted, compiled once, and then runs."""

from higgins_protocol.compiler.decoder import Decode, compile_decoder
from higgins_protocol.compiler.encoder import Encode, compile_encoder

__all__ = ["Decode", "Encode", "compile_decoder", "compile_encoder"]
