package jetstream

// DisableStorage makes the embedded server disable its storage, as it does when the disk
// fails.
func (s *Store) DisableStorage() error { return s.engine.server.ShutdownJetStream() }

// CloseWay is closeWay.
var CloseWay = closeWay
