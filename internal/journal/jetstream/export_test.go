package jetstream

// DisableStorage makes the embedded server give up its storage, as it does by
// itself when the disk fails.
func (s *Store) DisableStorage() error { return s.engine.server.ShutdownJetStream() }

// CloseWay is closeWay.
var CloseWay = closeWay
