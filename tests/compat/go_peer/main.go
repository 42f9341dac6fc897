// A peer that uses Go's own encoding/gob and compress/gzip: reads one JSON command a line, answers one JSON line.
//
//	{"do":"read","gzip":true,"frame":"<base64>"}                    -> the fields of a Resp
//	{"do":"write","gzip":true,"variant":"plain", ...fields...}      -> {"frame":"<base64>"} of a request
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"encoding/json"
	"io"
	"os"
)

// Resp lists the fields in another order than the server writes them, as the native client does.
type Resp struct {
	ReqIdentifier int    `json:"reqIdentifier"`
	ErrCode       int    `json:"errCode"`
	ErrMsg        string `json:"errMsg"`
	MsgIncr       string `json:"msgIncr"`
	OperationID   string `json:"operationID"`
	Data          []byte `json:"data"`
}

type GeneralWsReq struct {
	ReqIdentifier int
	Token         string
	SendID        string
	OperationID   string
	MsgIncr       string
	Data          []byte
}

// NewerReq is a request of a client that knows more and sorts its fields another way.
type NewerReq struct {
	Flag          bool
	Data          []byte
	Ratio         float64
	MsgIncr       string
	OperationID   string
	Phase         complex128
	SendID        string
	Count         uint64
	ReqIdentifier int32
}

type other struct{ A int }

type command struct {
	Do            string `json:"do"`
	Gzip          bool   `json:"gzip"`
	Frame         []byte `json:"frame"`
	Variant       string `json:"variant"`
	ReqIdentifier int    `json:"reqIdentifier"`
	SendID        string `json:"sendID"`
	OperationID   string `json:"operationID"`
	MsgIncr       string `json:"msgIncr"`
	Data          []byte `json:"data"`
}

type answer struct {
	Resp  *Resp  `json:"resp,omitempty"`
	Frame []byte `json:"frame,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<22)
	results := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var cmd command
		result := answer{}
		if err := json.Unmarshal(line, &cmd); err != nil {
			result.Error = err.Error()
		} else if cmd.Do == "read" {
			result.Resp, err = read(cmd)
			if err != nil {
				result = answer{Error: err.Error()}
			}
		} else {
			result.Frame = write(cmd)
		}
		if results.Encode(result) != nil {
			return
		}
	}
}

func read(cmd command) (*Resp, error) {
	var reader io.Reader = bytes.NewReader(cmd.Frame)
	if cmd.Gzip {
		unpacked, err := gzip.NewReader(reader)
		if err != nil {
			return nil, err
		}
		// Reading to the end checks the trailer, and that nothing follows.
		all, err := io.ReadAll(unpacked)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(all)
	}
	resp := &Resp{}
	if err := gob.NewDecoder(reader).Decode(resp); err != nil {
		return nil, err
	}
	return resp, nil
}

func write(cmd command) []byte {
	var buffer bytes.Buffer
	encoder := gob.NewEncoder(&buffer)
	var err error
	switch cmd.Variant {
	case "newer":
		err = encoder.Encode(NewerReq{true, cmd.Data, 1.5, cmd.MsgIncr, cmd.OperationID, complex(1, 300), cmd.SendID, 7, int32(cmd.ReqIdentifier)})
	default:
		err = encoder.Encode(GeneralWsReq{cmd.ReqIdentifier, "", cmd.SendID, cmd.OperationID, cmd.MsgIncr, cmd.Data})
	}
	if err != nil {
		panic(err)
	}
	if !cmd.Gzip {
		return buffer.Bytes()
	}
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(buffer.Bytes()); err != nil {
		panic(err)
	}
	if err := writer.Close(); err != nil {
		panic(err)
	}
	return packed.Bytes()
}

func init() {
	// Takes the first type id, so that ours differ from those of the browser build.
	var sink bytes.Buffer
	if err := gob.NewEncoder(&sink).Encode(other{1}); err != nil {
		panic(err)
	}
}
