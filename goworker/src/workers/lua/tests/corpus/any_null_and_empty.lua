-- Any: null and empty lists come and go. Params: {"gone": null, "none": [], "nothing": {}}
-- Result: {"gone":null,"is_null":true,"none":[],"nothing":{}}
return { gone = job.params.gone, none = job.params.none, nothing = job.params.nothing, is_null = job.params.gone == json.null }
