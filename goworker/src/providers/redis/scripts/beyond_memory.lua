-- A server that is full refuses writes that may need memory, but not to a script that has written already. So jobs go on to be handed out,
-- settled and deleted, which makes room; only new ones are refused. A replica refuses this too, before a script believes that it has nothing
-- to write, and takes it for a queue without jobs.
redis.call('DEL', KEYS[1] .. 'room')
