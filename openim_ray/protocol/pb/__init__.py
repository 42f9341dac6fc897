"""Generated protobuf modules; see the .proto files beside them."""
