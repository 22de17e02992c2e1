-- Any: breadth first through a graph. Params: {"graph": {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, "from": "a"}
-- Result: ["a","b","c","d"]
local graph, queue, seen, order = job.params.graph, { job.params.from }, {}, {}
local first = 1
while queue[first] do
  local node = queue[first]
  first = first + 1
  if not seen[node] then
    seen[node] = true
    order[#order + 1] = node
    for _, neighbour in ipairs(graph[node]) do queue[#queue + 1] = neighbour end
  end
end
return order
