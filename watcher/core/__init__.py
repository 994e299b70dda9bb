"""The part of the program that decides; pure, standard library only.

    event ──▶ step(state, event, now, plan) ──▶ (state', commands)

There is no clock in here, no file, no socket, no logging, no randomness: the same inputs give the same outputs, so that
a crash can be replayed and every rule can be tested by a table. The shell (``watcher/daemon.py``) takes one event after
the other, calls ``step``, **saves** the new state and only then carries out the commands; their answers come back as
events.

Where to read on, in this order:

=================  ====================================================================================================
``window``         half-open windows of time, days
``events``         what happened: facts of the log, the stream, answers, people
``commands``       what shall be done: ``Request``, ``Notify``, ``Confirm``, ``Record``
``plan``           the profile's rules and the operator's choices, fixed for a run
``moves``          the states of a day, a stage, a run, and every allowed move
``state``          all that is known, as one frozen value
``turn``           the workspace of one step: enforces ``moves``, writes the journal, fills the outbox
``counting``       which facts count for an open request
``completion``     what they prove: when a day is done, empty, failed; ``judging``: when it suffices
``silence``        what silence means, and every deadline
``settling``       what follows for the stage and the run: done, failed, held
``requests``       which repair is asked for next, what its answer means, what a new epoch voids
``lost``           a request that was on its way when its container died
``abandoned``      a request whose days a person skipped while Kubecost was at work on them
``operator``       what a person may do; ``replaying``: how a recorded log opens stages
``outbox``         messages: due, delivered, tried again; ``messages``: their words
``orchestrator``   ``step`` itself
``view``           the status document, the one projection that every face of the program shows
``lines``          bytes to lines, and their stamps; ``blocks``: many lines in one piece
``resume``         reading on without loss or repetition
``envelopes``      klog, zerolog, JSON, prefixes, colours: what stands around a message
``facts``          what a pattern captured, as a ``Fact``
=================  ====================================================================================================

Five rules hold everywhere. A day is *done* only by evidence, and what was concluded is marked ``inferred``. Silence is
never death: it is *quiet* where the profile allows that conclusion, else *unclear*, and a person is told. Nothing
counts from another epoch, from before the request, or from before the pipeline's own start line. One request is open at
a time, and it is repeated only when the log proves that its work is void or that it never arrived. What is not allowed
by the tables of ``moves`` is recorded and changes nothing.
"""
