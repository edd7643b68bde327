package main

import (
	"encoding/json"
	"io"
	"time"
)

// file is the configuration file of contract 02 §1.3: its keys and their types.
type file struct {
	TCPTimeout, PushPullInterval, ProbeTimeout, ProbeInterval                      string
	GossipInterval, GossipToTheDeadTime, QueueCheckInterval                        string
	IndirectChecks, RetransmitMult, SuspicionMult                                  int
	SuspicionMaxTimeoutMult, AwarenessMaxMultiplier, GossipNodes                   int
	HandoffQueueDepth, UDPBufferSize                                               int
	DisableTcpPings, GossipVerifyIncoming, GossipVerifyOutgoing, EnableCompression bool
}

// values are what a file says, in the order of its fields: durations in nanoseconds. Nothing if it is refused.
func values(text string) []int64 {
	var read file
	if json.Unmarshal([]byte(text), &read) != nil {
		return nil
	}
	var found []int64
	for _, text := range []string{
		read.TCPTimeout, read.PushPullInterval, read.ProbeTimeout, read.ProbeInterval,
		read.GossipInterval, read.GossipToTheDeadTime, read.QueueCheckInterval,
	} {
		duration, err := time.ParseDuration(text)
		if err != nil {
			return nil
		}
		found = append(found, duration.Nanoseconds())
	}
	for _, number := range []int{
		read.IndirectChecks, read.RetransmitMult, read.SuspicionMult, read.SuspicionMaxTimeoutMult,
		read.AwarenessMaxMultiplier, read.GossipNodes, read.HandoffQueueDepth, read.UDPBufferSize,
	} {
		found = append(found, int64(number))
	}
	for _, isOn := range []bool{
		read.DisableTcpPings, read.GossipVerifyIncoming, read.GossipVerifyOutgoing, read.EnableCompression,
	} {
		if isOn {
			found = append(found, 1)
		} else {
			found = append(found, 0)
		}
	}
	return found
}

// readSettings answers a list of files with what each says.
func readSettings(from io.Reader, to io.Writer) error {
	var texts []string
	if err := json.NewDecoder(from).Decode(&texts); err != nil {
		return err
	}
	all := make([][]int64, len(texts))
	for number, text := range texts {
		all[number] = values(text)
	}
	return json.NewEncoder(to).Encode(all)
}
