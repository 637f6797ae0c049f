"""The closed form equals a general solver, and stays finite where autograd through acos does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from equipose.models.alignment.terms.eigenvalue import largest_eigenvalue

CORNERS = {
    "equal": (1.0, 1.0, 1.0),
    "equal, not full": (0.5, 0.5, 0.5),
    "two equal": (0.7, 0.7, 1.0),
    "orthogonal": (0.0, 0.0, 0.0),
    "nearly orthogonal": (1e-25, -1e-25, 1e-25),
    "one pair": (0.0, 0.0, 1.0),
    "one against two": (-1.0, 1.0, -1.0),
    "in a plane, 120 degrees": (-0.5, -0.5, -0.5),
    "impossible, all opposite": (-1.0, -1.0, -1.0),
}


def gram(cosines: Tensor) -> Tensor:
    """[..., 3] cosines a, b, c to [..., 3, 3]."""
    a, b, c = cosines.unbind(-1)
    one = torch.ones_like(a)
    return torch.stack([one, a, b, a, one, c, b, c, one], -1).unflatten(-1, (3, 3))


def random_cosines(rows: int) -> Tensor:
    """Triplets of every kind: random directions, nearly aligned ones, and ones in a plane."""
    rng = torch.Generator().manual_seed(0)
    vectors = torch.randn(3, rows, 3, 3, generator=rng, dtype=torch.float64)
    vectors[1] = vectors[1, :, :1] + 1e-3 * vectors[1]
    vectors[2, ..., 2] = 0
    unit = torch.nn.functional.normalize(vectors.flatten(0, 1), dim=-1)
    products = unit @ unit.mT
    return torch.stack([products[:, 0, 1], products[:, 0, 2], products[:, 1, 2]], -1)


def closed_form(cosines: Tensor) -> tuple[Tensor, Tensor]:
    """Value [...] and gradient [..., 3]."""
    cosines = cosines.detach().clone().requires_grad_()
    value = largest_eigenvalue(*cosines.unbind(-1))
    (gradient,) = torch.autograd.grad(value.sum(), cosines)
    return value.detach(), gradient


def solver(cosines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value, gradient, and the gap between the two largest eigenvalues, by eigvalsh in float64."""
    cosines = cosines.detach().double().requires_grad_()
    values = torch.linalg.eigvalsh(gram(cosines))
    (gradient,) = torch.autograd.grad(values[..., 2].sum(), cosines)
    return values[..., 2].detach(), gradient, (values[..., 2] - values[..., 1]).detach()


def test_equals_eigvalsh_in_double_precision() -> None:
    cosines = random_cosines(5000)
    value, gradient = closed_form(cosines)
    wanted, wanted_gradient, gap = solver(cosines)
    simple = gap > 1e-3
    assert simple.float().mean() > 0.9
    torch.testing.assert_close(value, wanted, rtol=0, atol=1e-10)
    torch.testing.assert_close(gradient[simple], wanted_gradient[simple], rtol=0, atol=1e-10)


def test_single_precision_is_off_by_rounding_alone() -> None:
    cosines = random_cosines(5000).float()
    value, gradient = closed_form(cosines)
    wanted, wanted_gradient, gap = solver(cosines)
    torch.testing.assert_close(value.double(), wanted, rtol=0, atol=2e-5)
    simple = gap > 0.1
    torch.testing.assert_close(gradient[simple].double(), wanted_gradient[simple], rtol=0, atol=2e-5)
    assert gradient.abs().max() <= 1


def test_gradient_passes_gradcheck() -> None:
    cosines = random_cosines(4).requires_grad_()
    assert torch.autograd.gradcheck(largest_eigenvalue, cosines.unbind(-1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CORNERS)
def test_corners_are_finite_and_right(name: str, dtype: torch.dtype) -> None:
    cosines = torch.tensor(CORNERS[name], dtype=dtype)
    value, gradient = closed_form(cosines)
    wanted, wanted_gradient, gap = solver(cosines)
    close = 1e-12 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(value.double(), wanted, rtol=0, atol=close)
    assert gradient.isfinite().all()
    if gap > 1e-3:
        torch.testing.assert_close(gradient.double(), wanted_gradient, rtol=0, atol=close)


def test_the_largest_eigenvalue_of_orthogonal_vectors_is_exactly_one() -> None:
    value, gradient = closed_form(torch.zeros(3))
    assert value == 1
    assert torch.equal(gradient, torch.zeros(3))


def test_single_precision_next_to_full_alignment_has_no_nan() -> None:
    steps = 1 - torch.arange(64) * torch.finfo(torch.float32).eps / 2
    cosines = torch.cartesian_prod(steps, steps[:8], steps[:8])
    value, gradient = closed_form(cosines)
    assert value.isfinite().all()
    torch.testing.assert_close(gradient, torch.full_like(gradient, 2 / 3), rtol=0, atol=1e-4)


def test_broadcasts_and_sums_gradients_back() -> None:
    a, b, c = (torch.randn(shape, dtype=torch.float64).tanh() for shape in ((4, 1), (1, 5), (4, 5)))
    a.requires_grad_()
    value = largest_eigenvalue(a, b, c)
    assert value.shape == (4, 5)
    (gradient,) = torch.autograd.grad(value.sum(), a)
    full = torch.stack(torch.broadcast_tensors(a.detach(), b, c), -1)
    torch.testing.assert_close(gradient[:, 0], closed_form(full)[1][..., 0].sum(1))


def test_a_second_derivative_is_refused() -> None:
    a, b, c = (torch.full((), value, requires_grad=True) for value in (0.1, 0.2, 0.3))
    (first,) = torch.autograd.grad(largest_eigenvalue(a, b, c) ** 2, a, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.backward()
