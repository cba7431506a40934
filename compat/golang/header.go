package golang

import "encoding/json"

// Header is a name and a value; a record has them in order, and a name may occur twice.
type Header struct {
	Name  string
	Value []byte
}

// MarshalJSON writes a header as a pair.
func (h Header) MarshalJSON() ([]byte, error) {
	// Not nil, which would become null: a value without bytes is empty.
	return json.Marshal([]any{h.Name, append([]byte{}, h.Value...)})
}

// UnmarshalJSON reads a pair.
func (h *Header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.Name, &h.Value})
}
