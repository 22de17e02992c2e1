-- Lua 5.3: ids of 64 bits. Params: {"id": 9007199254740993}
-- Result: {"id":9007199254740993,"next":9007199254740994,"text":"order-9007199254740993"}
return { id = job.params.id, next = job.params.id + 1, text = "order-" .. job.params.id }
