"""What tests of deploy/ ask of Helm, of Kubernetes' schemas, of Compose and of YAML; answers are JSON on standard output.

    outside.py yaml FILE | compose FILE | lint CHART | render CHART VALUES_JSON | kubernetes DOCUMENTS_JSON
"""
import json
import re
import sys
import warnings

import yaml


def answer(what, path, *more):
    if what == "yaml":
        return list(yaml.safe_load_all(open(path, encoding="utf-8")))
    if what == "compose":
        import compose_spec

        # The library knows no merge keys, which the reader of YAML has resolved.
        # Nor variables: each gets its default, or a word where one is required.
        said = lambda found: found[1] if found[1] is not None else "said"
        whole = re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", said, yaml.safe_dump(yaml.safe_load(open(path, encoding="utf-8")), width=1000))
        try:
            return sorted(compose_spec.PyCompose.from_yaml(whole).service_names())
        except ValueError as error:
            return {"refused": str(error)}
    import helm_python as helm

    if what == "lint":
        return helm.lint(path, None, strict=True, namespace="arena", kube_version="v1.30.0")
    if what == "render":
        chart = helm.Chart.load(path)
        values = json.loads(more[0])
        try:
            chart.validate_schema(values)
            texts = chart.render(values, name="t", namespace="arena")
        except helm.HelmError as error:
            return {"refused": str(error)}
        manifests = [text for name, text in sorted(texts.items()) if name.endswith(".yaml")]
        return {"documents": [one for text in manifests for one in yaml.safe_load_all(text) if one]}
    if what == "kubernetes":
        import kubernetes_validate

        warnings.simplefilter("ignore")
        wrong = []
        for one in json.load(open(path, encoding="utf-8")):
            try:
                kubernetes_validate.validate(one, "1.30", strict=True)
            except kubernetes_validate.SchemaNotFoundError:
                wrong.append(f"{one['kind']}: no schema")
            except Exception as error:
                wrong.append(f"{one['kind']} {one['metadata']['name']}: {error}")
        return wrong
    raise SystemExit(f"unknown: {what}")


print(json.dumps(answer(*sys.argv[1:])))
