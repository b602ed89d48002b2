"""The ways to perceive an utterance: text, audio, video, and those of plugins, as objects of `registry.MODALITIES`."""
