"""What an engine of peer.py is."""


class Engine:
    """Opened with a file; `prepare` gives it an input of the batch size that it is to run."""

    def prepare(self, array):
        raise NotImplementedError

    def settle(self):
        """Chooses among ways to run, before times count."""

    def start(self):
        """Does an inference, or enqueues it behind those before."""
        raise NotImplementedError

    def wait(self):
        """Until all that was enqueued has ended."""

    def output(self):
        raise NotImplementedError

    def run(self, in_a_row=1):
        for _ in range(in_a_row):
            self.start()
        self.wait()
